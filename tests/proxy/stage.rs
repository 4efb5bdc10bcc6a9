//! A backend of bytes on a TCP socket, told before each request what it will do, and asked after how often it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::support::Then;

/// What it does with the next connections.
enum Act {
    Answer(Vec<u8>, Then),
    /// Passes on what comes, once.
    Piped(UnboundedReceiver<String>),
}

pub(super) struct Stage {
    pub(super) origin: String,
    asked: Arc<AtomicUsize>,
    act: Arc<Mutex<Act>>,
    /// Each request, head and body.
    requests: Arc<Mutex<Vec<String>>>,
}

/// An answer with these fields and this body, its length told.
pub(super) fn with(media: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type:";
    let mut answer = format!("{head} {media}\r\n{fields}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

pub(super) fn answering(body: &str) -> Vec<u8> {
    with("application/json", "", body.as_bytes())
}

impl Stage {
    /// Answers [`super::gate::DONOR`] until told otherwise.
    pub(super) async fn new() -> Stage {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", socket.local_addr().unwrap());
        let act = Arc::new(Mutex::new(Act::Answer(answering(super::gate::DONOR), Then::Close)));
        let stage = Stage { origin, asked: Arc::default(), act, requests: Arc::default() };
        let (asked, act) = (Arc::clone(&stage.asked), Arc::clone(&stage.act));
        let requests = Arc::clone(&stage.requests);
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                tokio::spawn(play(stream, Arc::clone(&asked), Arc::clone(&act), Arc::clone(&requests)));
            }
        });
        stage
    }

    pub(super) fn will(&self, answer: impl Into<Vec<u8>>, then: Then) {
        *self.act.lock().unwrap() = Act::Answer(answer.into(), then);
    }

    /// Answers 200 with this JSON.
    pub(super) fn body(&self, body: &str) {
        self.will(answering(body), Then::Close);
    }

    /// The next answer is JSON, in chunks of what is sent; it breaks off when the sender goes.
    pub(super) fn piped(&self) -> Pipe {
        let (sender, pieces) = unbounded_channel();
        *self.act.lock().unwrap() = Act::Piped(pieces);
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n";
        sender.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n")).unwrap();
        Pipe(sender)
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(super) fn last(&self) -> String {
        self.requests.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

/// A body under way.
pub(super) struct Pipe(UnboundedSender<String>);

impl Pipe {
    pub(super) fn send(&self, text: &str) {
        // A gate that has cut the answer takes no more of it.
        let _ = self.0.send(format!("{:x}\r\n{text}\r\n", text.len()));
    }

    /// Whether somebody still takes it.
    pub(super) fn is_read(&self) -> bool {
        !self.0.is_closed()
    }

    pub(super) fn end(self) {
        let _ = self.0.send("0\r\n\r\n".to_owned());
    }
}

async fn play(mut stream: TcpStream, asked: Arc<AtomicUsize>, act: Arc<Mutex<Act>>, requests: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    let (mut head, mut length) = (None, 0);
    while head.is_none_or(|head| request.len() < head + length) {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
        if head.is_none() {
            head = request.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
            let text = String::from_utf8_lossy(&request).to_lowercase();
            length = text
                .split("content-length: ")
                .nth(1)
                .map_or(0, |after| after.split("\r\n").next().unwrap().parse().unwrap());
        }
    }
    asked.fetch_add(1, Ordering::SeqCst);
    requests.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
    let mut pieces = {
        let mut act = act.lock().unwrap();
        match &mut *act {
            Act::Answer(answer, then) => Err((answer.clone(), *then)),
            Act::Piped(pieces) => Ok(std::mem::replace(pieces, unbounded_channel().1)),
        }
    };
    match &mut pieces {
        Err((answer, then)) => {
            let _ = stream.write_all(answer).await;
            if let Then::Wait = then {
                drop(stream.read_to_end(&mut request).await);
            }
        }
        Ok(pieces) => {
            while let Some(piece) = pieces.recv().await {
                if stream.write_all(piece.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}
