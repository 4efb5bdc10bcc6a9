//! A key set's host on loopback that behaves as told, and counts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

#[derive(Clone)]
pub(super) enum Behaviour {
    /// This status line and further fields, then this body with its length.
    Answer(&'static str, String),
    /// This body in chunks, so that no length warns of its size.
    Chunked(String),
    /// A redirect to this address.
    Redirect(String),
    /// A length, half the body, and then nothing while the connection lives.
    Stall(String),
    /// Half the body, then the end of the connection.
    Cut(String),
    /// The connection is closed unanswered.
    Close,
    /// Answers this body once [`KeyServer::release`] was called.
    Hold(String),
}

impl Behaviour {
    pub(super) fn keys(text: String) -> Behaviour {
        Behaviour::Answer("200 OK", text)
    }
}

pub(super) struct KeyServer {
    pub(super) address: String,
    behaviour: Mutex<Behaviour>,
    requests: AtomicUsize,
    released: Notify,
}

impl KeyServer {
    pub(super) async fn start(behaviour: Behaviour) -> Arc<KeyServer> {
        KeyServer::start_on("127.0.0.1:0", behaviour, None).await
    }

    pub(super) async fn start_on(at: &str, behaviour: Behaviour, tls: Option<TlsAcceptor>) -> Arc<KeyServer> {
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (behaviour, requests) = (Mutex::new(behaviour), AtomicUsize::new(0));
        let server = Arc::new(KeyServer { address, behaviour, requests, released: Notify::new() });
        let accepting = Arc::clone(&server);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, tls) = (Arc::clone(&accepting), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => server.answer(stream).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => server.answer(stream).await,
                            // A client that does not trust us has come, and gone.
                            Err(_) => server.count(),
                        },
                    }
                });
            }
        });
        server
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    pub(super) fn set(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    /// Requests that were answered (or left unanswered, as told).
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(super) fn release(&self) {
        self.released.notify_one();
    }

    fn count(&self) {
        self.requests.fetch_add(1, Ordering::SeqCst);
    }

    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        self.count();
        let behaviour = self.behaviour.lock().unwrap().clone();
        let with_length = |status: &str, body: &str| {
            format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        };
        let text = match &behaviour {
            Behaviour::Answer(status, body) => with_length(status, body),
            Behaviour::Chunked(body) => {
                let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
                format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{chunk}")
            }
            Behaviour::Redirect(to) => with_length(&format!("302 Found\r\nlocation: {to}"), ""),
            Behaviour::Stall(body) | Behaviour::Cut(body) => {
                let whole = with_length("200 OK", body);
                whole[..whole.len() - body.len() / 2].to_owned()
            }
            Behaviour::Close => return,
            Behaviour::Hold(body) => {
                self.released.notified().await;
                with_length("200 OK", body)
            }
        };
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.flush().await;
        if let Behaviour::Stall(_) = behaviour {
            // Until the other side gives up.
            let _ = stream.read_u8().await;
        }
        let _ = stream.shutdown().await;
    }
}

/// Lets other tasks run until `holds`; fails the test if that takes ten seconds.
pub(super) async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await.is_ok(), "never: {what}");
}
