//! Who knocked without showing who he was? Counted, not recorded singly, so that strangers cannot fill the log.
//!
//! Counts are kept for one minute by source network (/24 for IPv4, /64 for IPv6) and reason, at most [`PAIRS_MAX`]
//! of them; what comes on top is counted together. A crash loses the minute under way, and nothing else.

use super::json::Object;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The minute under way.
#[derive(Default)]
pub(super) struct Strangers {
    minute: u64,
    counts: BTreeMap<(IpAddr, &'static str), u64>,
    others: u64,
}

impl Strangers {
    /// Counts one refusal.
    pub(super) fn note(&mut self, address: IpAddr, reason: &'static str) {
        let key = (network(address), reason);
        if self.counts.len() >= PAIRS_MAX && !self.counts.contains_key(&key) {
            self.others += 1;
        } else {
            *self.counts.entry(key).or_default() += 1;
        }
    }

    /// Ends a minute that is over, with what was counted in it. Call before counting into a new one.
    pub(super) fn turn(&mut self, now_ms: u64) -> Option<Strangers> {
        let minute = now_ms / MINUTE_MS;
        if minute == self.minute {
            return None;
        }
        Some(std::mem::replace(self, Strangers { minute, ..Strangers::default() })).filter(|old| !old.counts.is_empty())
    }

    /// Ends the minute under way, over or not.
    pub(super) fn finish(&mut self) -> Option<Strangers> {
        Some(std::mem::take(self)).filter(|old| !old.counts.is_empty())
    }

    /// Writes the members of the record.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut line = Object::members(out);
        line.text("kind", "strangers").time_if("minute", Some(self.minute * MINUTE_MS));
        let list = line.name("refused");
        list.push(b'[');
        for (index, ((network, reason), count)) in self.counts.iter().enumerate() {
            if index > 0 {
                list.push(b',');
            }
            let prefix = if network.is_ipv4() { 24 } else { 64 };
            let mut object = Object::open(list);
            object.text("network", &format!("{network}/{prefix}")).text("reason", reason).number("count", *count);
            object.close();
        }
        list.push(b']');
        line.number("others", self.others);
    }
}

/// The network's first address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(four) => Ipv4Addr::from_bits(four.to_bits() & !0xff).into(),
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

const MINUTE_MS: u64 = 60_000;
const PAIRS_MAX: usize = 128;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "test")]
mod tests {
    use super::*;

    fn written(strangers: &Strangers) -> String {
        let mut out = Vec::new();
        strangers.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_stranger_is_counted_by_network_and_never_by_address() {
        let mut strangers = Strangers::default();
        assert!(strangers.turn(60_000).is_none());
        for address in ["192.0.2.7", "192.0.2.9", "::ffff:192.0.2.1", "2001:db8:1:2:3:4:5:6"] {
            strangers.note(address.parse().unwrap(), "token-missing");
        }
        let text = written(&strangers.turn(120_000).unwrap());
        assert!(text.contains(r#""minute":"1970-01-01T00:01:00.000Z""#), "{text}");
        assert!(text.contains(r#"{"network":"192.0.2.0/24","reason":"token-missing","count":3}"#), "{text}");
        assert!(text.contains(r#"{"network":"2001:db8:1:2::/64","reason":"token-missing","count":1}"#), "{text}");
        assert!(strangers.turn(180_000).is_none(), "an empty minute is no record");
    }

    #[test]
    fn a_flood_of_networks_does_not_grow_the_record() {
        let mut strangers = Strangers::default();
        for network in 0..=255u8 {
            strangers.note(Ipv4Addr::new(10, 0, network, 1).into(), "token-missing");
        }
        let text = written(&strangers.finish().unwrap());
        assert!(text.ends_with(r#""others":128"#) && text.len() < 12_000, "{text}");
    }
}
