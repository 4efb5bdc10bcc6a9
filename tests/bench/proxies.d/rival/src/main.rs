//! `rival proxy PORT UPSTREAM NAMES NAMES NAMES`: what one writes first in Rust: the answer collected, parsed into a
//! `serde_json::Value`, edited, written. The names are of the members of bundle, resource and meta to drop, by comma.
//!
//! `rival probe PORT TARGET PER_SECOND SECONDS FIELD...`: latency at a fixed rate, by a schedule that does not wait.
//! Prints requests, errors, median and 99th percentile in microseconds.

mod probe;

use std::sync::Arc;

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["proxy", port, upstream, names @ ..] if names.len() == 3 => {
            let names = names.iter().map(|list| list.split(',').map(str::to_owned).collect()).collect();
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(proxy(port.parse()?, upstream.parse()?, names))
        }
        ["probe", port, target, per_s, seconds, fields @ ..] => {
            probe::run(port.parse()?, target, per_s.parse()?, seconds.parse()?, fields)
        }
        _ => Err("usage: rival proxy PORT UPSTREAM NAMES NAMES NAMES | rival probe PORT TARGET PER_SECOND SECONDS FIELD...".into()),
    }
}

struct Proxy {
    client: Client<HttpConnector, Empty<Bytes>>,
    upstream: u16,
    names: Vec<Vec<String>>,
}

async fn proxy(port: u16, upstream: u16, names: Vec<Vec<String>>) -> Result<(), Error> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    let proxy = Arc::new(Proxy { client: Client::builder(TokioExecutor::new()).build(http), upstream, names });
    let socket = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = socket.accept().await?;
        stream.set_nodelay(true)?;
        let proxy = Arc::clone(&proxy);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&proxy), request));
            drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn answer(proxy: Arc<Proxy>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Error> {
    let (mut head, _) = request.into_parts();
    head.uri = format!("http://127.0.0.1:{}{}", proxy.upstream, head.uri).parse()?;
    let (head, body) = proxy.client.request(Request::from_parts(head, Empty::new())).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut response = Response::new(Full::from(edited(&proxy.names, &body)?));
    *response.status_mut() = head.status;
    if let Some(media) = head.headers.get("content-type") {
        response.headers_mut().insert("content-type", media.clone());
    }
    Ok(response)
}

fn edited(names: &[Vec<String>], body: &[u8]) -> Result<Vec<u8>, Error> {
    let mut bundle: Value = serde_json::from_slice(body)?;
    let drop = |value: &mut Value, names: &[String]| {
        if let Some(object) = value.as_object_mut() {
            names.iter().for_each(|name| std::mem::drop(object.remove(name)));
        }
    };
    drop(&mut bundle, &names[0]);
    for entry in bundle["entry"].as_array_mut().ok_or("no entries")? {
        drop(&mut entry["resource"], &names[1]);
        drop(&mut entry["resource"]["meta"], &names[2]);
    }
    Ok(serde_json::to_vec(&bundle)?)
}
