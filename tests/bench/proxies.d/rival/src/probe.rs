//! Latency at a fixed rate. Each of eight connections has its own schedule; a request that could not be sent in time
//! because the one before was late counts from when it was due.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::Error;

const CONNECTIONS: u32 = 8;

pub(crate) fn run(port: u16, target: &str, per_s: u32, seconds: u32, fields: &[&str]) -> Result<(), Error> {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let request = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n");
    let each = per_s * seconds / CONNECTIONS;
    let interval = Duration::from_secs(1) * CONNECTIONS / per_s;
    let began = Instant::now() + Duration::from_millis(50);
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|index| {
            let (request, began) = (request.clone(), began + interval * index / CONNECTIONS);
            std::thread::spawn(move || connection(port, request.as_bytes(), began, interval, each))
        })
        .collect();
    let mut taken = Vec::new();
    let mut errors = 0;
    for thread in threads {
        match thread.join() {
            Ok(Ok(times)) => taken.extend(times),
            Ok(Err(error)) => {
                eprintln!("{error}");
                errors += 1;
            }
            Err(_) => errors += 1,
        }
    }
    taken.sort_unstable();
    let at = |share: usize| taken.get(taken.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    println!("{} {errors} {:.1} {:.1}", taken.len(), at(50), at(99));
    Ok(())
}

fn connection(port: u16, request: &[u8], began: Instant, interval: Duration, count: u32) -> Result<Vec<Duration>, Error> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut taken = Vec::new();
    let mut buffer = vec![0; 1 << 18];
    answer(&mut stream, request, &mut buffer)?; // the connection, and the token, are known from here on
    for index in 0..count {
        let due = began + interval * index;
        let now = Instant::now();
        let since = if now < due {
            std::thread::sleep(due - now);
            Instant::now()
        } else {
            due
        };
        answer(&mut stream, request, &mut buffer)?;
        taken.push(since.elapsed());
    }
    Ok(taken)
}

/// Sends one request and reads one whole answer.
fn answer(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> Result<(), Error> {
    stream.write_all(request)?;
    let mut length = 0;
    let mut framing = None;
    loop {
        if length == buffer.len() {
            buffer.resize(length * 2, 0);
        }
        let count = stream.read(&mut buffer[length..])?;
        if count == 0 {
            return Err("the answer was cut".into());
        }
        length += count;
        let seen = &buffer[..length];
        if framing.is_none() {
            let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&seen[..end])?.to_ascii_lowercase();
            if !head.starts_with("http/1.1 200") {
                return Err(head.into());
            }
            let told = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            framing = Some(told.map(|told| told.trim().parse::<usize>()).transpose()?.map(|told| end + 4 + told));
        }
        match framing {
            Some(Some(whole)) if length >= whole => return Ok(()),
            // Of chunks the last is empty; nothing follows it, for nothing more was asked.
            Some(None) if seen.ends_with(b"\r\n0\r\n\r\n") => return Ok(()),
            _ => {}
        }
    }
}
