//! What shows Sekisho at work without anyone's data? Loopback only; nothing here is reachable from `serve`.

pub mod sample;
