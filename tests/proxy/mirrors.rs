//! Where else the newest checkpoint is: a file, what takes a POST, a collector of syslog; and what is down catches up.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sekisho::audit::checkpoint::{Note, PublicKey, Signer, SigningKey};
use sekisho::proxy::mirror::{Mirrors, Place};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::support::{Scratch, soon};

fn signer() -> Signer {
    Signer::new("gate-1", "gate", vec![SigningKey::new(&Zeroizing::new([5; 32])).unwrap()])
}

fn keys() -> Vec<PublicKey> {
    signer().public()
}

fn place(text: &str) -> Place {
    Place::read(text, Path::new("/")).unwrap_or_else(|| panic!("{text}"))
}

/// A log that was signed so far: whoever is sent to is told of this.
fn signed(size: u64) -> Option<Arc<Note>> {
    Some(Arc::new(signer().sign(size, [7; 32])))
}

/// The note in a line of a file or of syslog.
fn note(line: &str) -> Note {
    let json = line.find('{').unwrap();
    let line: serde_json::Value = serde_json::from_str(&line[json..]).unwrap();
    let note: Note = line["note"].as_str().unwrap().parse().unwrap();
    assert_eq!(line["size"], note.checkpoint.size);
    assert!(note.verify(&keys()).is_ok());
    note
}

/// One request, answered with this status; its body.
async fn taken(stream: &mut TcpStream, status: u16) -> String {
    let mut text = String::new();
    let mut piece = [0; 4096];
    loop {
        let count = soon(stream.read(&mut piece)).await.unwrap();
        text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            assert!(head.starts_with("POST /kept?of=gate HTTP/1.1"), "{head}");
            assert!(head.contains("content-type: text/plain; charset=utf-8"), "{head}");
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            return body.to_owned();
        }
    }
}

#[tokio::test]
async fn a_checkpoint_is_in_a_file_elsewhere_to_the_last() {
    let scratch = Scratch::new();
    let path = scratch.0.join("elsewhere");
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&path).unwrap();
    std::fs::write(&path, "{\"v\":1,\"size\":2,\"no").unwrap(); // cut off by a crash
    let (sender, receiver) = watch::channel(signed(3));
    let mirrors = Mirrors::start(&[Place::read("file:elsewhere", &scratch.0).unwrap()], None, &receiver).unwrap();
    sender.send_replace(signed(9));
    // What was signed last is sent although the end has come.
    mirrors.finish().await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.lines().skip(1).all(|line| note(line).checkpoint.size > 2), "each stands on a line of its own");
    assert_eq!(note(text.lines().next_back().unwrap()).checkpoint.size, 9);
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions()) & 0o777, 0o600);
}

#[tokio::test]
async fn what_is_posted_is_the_note_and_what_was_not_taken_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = place(&format!("http://{}/kept?of=gate", listener.local_addr().unwrap()));
    let (sender, receiver) = watch::channel(signed(3));
    let mirrors = Mirrors::start(std::slice::from_ref(&to), None, &receiver).unwrap();
    let (mut stream, _) = soon(listener.accept()).await.unwrap();
    let refused: Note = taken(&mut stream, 503).await.parse().unwrap();
    assert_eq!(refused.checkpoint.size, 3);
    drop(stream);
    // Outdated meanwhile: the newest stands for it.
    sender.send_replace(signed(5));
    let (mut stream, _) = soon(listener.accept()).await.unwrap();
    let kept: Note = taken(&mut stream, 204).await.parse().unwrap();
    assert_eq!(kept.checkpoint.size, 5);
    assert!(kept.verify(&keys()).is_ok());
    mirrors.finish().await;
    assert_eq!(to.to_string(), format!("http://{}", listener.local_addr().unwrap()), "no secret of a path is told");
}

#[tokio::test]
async fn a_collector_of_syslog_gets_it_by_udp_and_by_tcp() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let places = [
        place(&format!("syslog://{}", udp.local_addr().unwrap())),
        place(&format!("syslog+tcp://{}", tcp.local_addr().unwrap())),
    ];
    let (_sender, receiver) = watch::channel(signed(4));
    let mirrors = Mirrors::start(&places, None, &receiver).unwrap();
    let mut bytes = vec![0; 65536];
    let count = soon(udp.recv(&mut bytes)).await.unwrap();
    let message = std::str::from_utf8(&bytes[..count]).unwrap();
    assert!(message.starts_with("<110>1 - - sekisho "), "{message}");
    assert_eq!(note(message).checkpoint.size, 4);
    let (mut stream, _) = soon(tcp.accept()).await.unwrap();
    let mut text = String::new();
    soon(stream.read_to_string(&mut text)).await.unwrap();
    let (length, message) = text.split_once(' ').unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), message.len());
    assert_eq!(note(message).checkpoint.size, 4);
    mirrors.finish().await;
}

#[tokio::test]
async fn a_place_that_is_down_holds_up_neither_the_others_nor_the_end() {
    let scratch = Scratch::new();
    let places = [
        place(&format!("file:{}/no-such-folder/x", scratch.0.display())),
        Place::read("file:elsewhere", &scratch.0).unwrap(),
    ];
    let (_sender, receiver) = watch::channel(signed(4));
    let mirrors = Mirrors::start(&places, None, &receiver).unwrap();
    tokio::time::timeout(Duration::from_secs(60), mirrors.finish()).await.unwrap();
    let text = std::fs::read_to_string(scratch.0.join("elsewhere")).unwrap();
    assert_eq!(text.lines().map(note).count(), 1);
}

#[test]
fn a_place_that_could_tell_secrets_or_is_none_is_refused() {
    for none in [
        "elsewhere",
        "file:",
        "http://audit.example/kept",
        "https://user:word@audit.example/",
        "https://",
        "ftp://audit.example/",
        "syslog://collector",
        "syslog://user@collector:514",
        "syslog+tls://collector:6514",
        "",
    ] {
        assert_eq!(Place::read(none, Path::new("/")), None, "{none}");
    }
    for one in ["file:/mnt/x", "https://audit.example/kept", "http://[::1]:80/", "syslog+tcp://collector:601"] {
        assert!(Place::read(one, Path::new("/")).is_some(), "{one}");
    }
}
