//! `[limits]`: numbers with their ranges.

use super::super::limits::Limits;
use crate::policy::reader::Table;

const HOUR_MS: u32 = 3_600_000;

/// A whole number in `from..=to`, or the default where the key is absent.
pub(super) fn number<N>(table: &Table<'_>, name: &str, key: &'static str, from: N, to: N, default: N) -> N
where
    N: TryFrom<i64> + PartialOrd + std::fmt::Display + Copy,
{
    let Some(found) = table.integer(key) else { return default };
    match N::try_from(found) {
        Ok(number) if number >= from && number <= to => number,
        Ok(_) | Err(_) => {
            let message = format!("`{name}.{key}`: `{found}` is not in {from}..={to}");
            table.reader().fault(table.span_of(key), message, None);
            default
        }
    }
}

pub(super) fn read(root: &Table<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(table) = root.table("limits") else { return limits };
    // Taken apart, so that a new bound does not compile until it can be set.
    let Limits {
        header_bytes_max,
        header_count_max,
        header_ms,
        idle_ms,
        progress_ms,
        request_ms,
        stream_ms,
        drain_ms,
        connections_max,
        connections_per_address_max,
        requests_in_flight_max,
        h2_streams_max,
        h2_resets_max,
    } = &mut limits;
    let keys: [(&mut u32, &'static str, u32, u32); 13] = [
        (header_bytes_max, "header-bytes-max", 8192, 1 << 20),
        (header_count_max, "header-count-max", 8, 1000),
        (header_ms, "header-ms", 10, HOUR_MS),
        (idle_ms, "idle-ms", 10, HOUR_MS),
        (progress_ms, "progress-ms", 10, HOUR_MS),
        (request_ms, "request-ms", 10, HOUR_MS),
        (stream_ms, "stream-ms", 10, 24 * HOUR_MS),
        (drain_ms, "drain-ms", 0, HOUR_MS),
        (connections_max, "connections-max", 1, 1_000_000),
        (connections_per_address_max, "connections-per-address-max", 1, 1_000_000),
        (requests_in_flight_max, "requests-in-flight-max", 1, 1_000_000),
        (h2_streams_max, "h2-streams-max", 1, 10_000),
        (h2_resets_max, "h2-resets-max", 1, 10_000),
    ];
    for (limit, key, from, to) in keys {
        *limit = number(&table, "limits", key, from, to, *limit);
    }
    table.finish();
    limits
}
