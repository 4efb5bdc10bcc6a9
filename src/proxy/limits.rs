//! How much, and for how long, may one peer ask of the gate?

/// Bounds on callers. Times are milliseconds, sizes bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest request head.
    pub header_bytes_max: u32,
    /// Most fields of a request head.
    pub header_count_max: u32,
    /// Longest time for a request head, for the TLS handshake, and for the first request of a connection.
    pub header_ms: u32,
    /// Longest time that a connection may stand without a request.
    pub idle_ms: u32,
    /// Longest time without a further byte of a request body, or without a further piece of an answer taken.
    pub progress_ms: u32,
    /// Longest time for a whole request body.
    pub request_ms: u32,
    /// Longest time from a request's head to the last byte of its answer.
    pub stream_ms: u32,
    /// How long open requests may go on once the process is asked to stop.
    pub drain_ms: u32,
    /// Most connections.
    pub connections_max: u32,
    /// Most connections of one address (of one /64 in IPv6). Behind a balancer, all come from its address.
    pub connections_per_address_max: u32,
    /// Most requests at once; the next is answered 503.
    pub requests_in_flight_max: u32,
    /// Most concurrent streams of one HTTP/2 connection.
    pub h2_streams_max: u32,
    /// Most streams of one HTTP/2 connection that were reset before they were served.
    pub h2_resets_max: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            header_bytes_max: 32 << 10,
            header_count_max: 100,
            header_ms: 10_000,
            idle_ms: 75_000,
            progress_ms: 30_000,
            request_ms: 60_000,
            stream_ms: 900_000,
            drain_ms: 30_000,
            connections_max: 8192,
            connections_per_address_max: 1024,
            requests_in_flight_max: 1024,
            h2_streams_max: 100,
            h2_resets_max: 20,
        }
    }
}

/// Bounds on one backend. Times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// Longest time to connect.
    pub connect_ms: u32,
    /// Longest time from the request to the head of the answer, connecting included.
    pub first_byte_ms: u32,
    /// Longest time without a further byte of the answer's body.
    pub idle_ms: u32,
    /// Longest time for the whole answer.
    pub total_ms: u32,
    /// Longest head of an answer, in bytes.
    pub header_bytes_max: u32,
    /// Most fields of an answer's head.
    pub header_count_max: u32,
    /// Most bytes of a body once decoded.
    pub decoded_bytes_max: u64,
    /// Most bytes decoded from one coded byte, on average, once past the first MiB.
    pub decoded_ratio_max: u32,
}

impl Default for UpstreamLimits {
    fn default() -> UpstreamLimits {
        UpstreamLimits {
            connect_ms: 2_000,
            first_byte_ms: 30_000,
            idle_ms: 30_000,
            total_ms: 600_000,
            header_bytes_max: 64 << 10,
            header_count_max: 100,
            decoded_bytes_max: 4 << 30,
            decoded_ratio_max: 200,
        }
    }
}
