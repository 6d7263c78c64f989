// SPDX-License-Identifier: GPL-2.0

//! An HTTP server for Prometheus. What a client can take of it is bounded: connections, the size of
//! a request, and the time for it.
//!
//! It is hyper, as tiny_http 0.12 has no timeout for reading and no limit of threads.

use super::exposition::Format;
use crate::client::{Error, Result};
use hyper::{
    body::Incoming,
    header::{HeaderValue, ACCEPT, ALLOW, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
    Method, Request, Response, StatusCode,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    signal::unix::{signal, SignalKind},
    sync::Semaphore,
    time::{sleep, timeout},
};

/// Clients that are served at a time; the others wait in the kernel.
const CONNECTIONS: usize = 32;
/// The largest request, with its headers.
const REQUEST: usize = 16 << 10;
/// Where the metrics are.
const PATH: &str = "/metrics";

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For its request.
    pub request: Duration,
    /// For everything.
    pub connection: Duration,
}

impl Patience {
    /// Shorter than the 10 s that Prometheus waits.
    pub const DEFAULT: Patience = Patience {
        request: Duration::from_secs(5),
        connection: Duration::from_secs(30),
    };
}

/// What is exposed, in a format.
pub type Scrape = dyn Fn(Format) -> String + Send + Sync;

/// A server that listens.
pub struct Server {
    runtime: runtime::Runtime,
    listener: TcpListener,
    /// Where it listens, also if the port was left to the kernel.
    pub address: SocketAddr,
}

impl Server {
    /// At this address.
    pub fn bind(address: SocketAddr) -> Result<Self> {
        let system = |error: io::Error| {
            let advice = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    format!("; who does: ss -ltnp 'sport = :{}'", address.port())
                }
                io::ErrorKind::AddrNotAvailable => "; the addresses here: ip address".to_owned(),
                io::ErrorKind::PermissionDenied => "; root only may below port 1024".to_owned(),
                _ => String::new(),
            };
            Error::System(format!("cannot listen on {address}: {error}{advice}"))
        };
        // One thread: scrapes come one after the other, however many clients there are.
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(system)?;
        let listener = runtime
            .block_on(TcpListener::bind(address))
            .map_err(system)?;
        let address = listener.local_addr().map_err(system)?;
        Ok(Self {
            runtime,
            listener,
            address,
        })
    }

    /// Serves until SIGINT or SIGTERM.
    pub fn run(self, patience: Patience, scrape: Arc<Scrape>) -> Result<()> {
        let Self {
            runtime, listener, ..
        } = self;
        runtime.block_on(async {
            let system = |error| Error::System(format!("cannot wait for signals: {error}"));
            let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
            let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
            tokio::select! {
                () = accept(listener, patience, scrape) => {}
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            Ok(())
        })
    }
}

/// Serves clients as they come.
async fn accept(listener: TcpListener, patience: Patience, scrape: Arc<Scrape>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    // The semaphore is never closed.
    while let Ok(permit) = room.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let scrape = scrape.clone();
                tokio::spawn(async move {
                    converse(stream, patience, scrape).await;
                    drop(permit);
                });
            }
            // A client that has gone already, or no file descriptor: not at once again.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Serves one request of a client, so that none keeps its place for long. What goes wrong is told
/// to the client only.
async fn converse(stream: TcpStream, patience: Patience, scrape: Arc<Scrape>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let accept = request.headers().get_all(ACCEPT).iter();
        let accept: Vec<_> = accept.filter_map(|value| value.to_str().ok()).collect();
        let answer = answer(
            request.method(),
            request.uri().path(),
            &accept.join(","),
            &*scrape,
        );
        async { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.request)
        .max_buf_size(REQUEST)
        .keep_alive(false)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let _ = timeout(patience.connection, connection).await;
}

/// The answer to a request.
pub fn answer(method: &Method, path: &str, accept: &str, scrape: &Scrape) -> Response<String> {
    let text = |status, text: &str| {
        let mut response = Response::new(text.to_owned());
        *response.status_mut() = status;
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        response
    };
    if method != Method::GET && method != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD is wanted\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allowed);
        return response;
    }
    match path {
        PATH => {
            let format = Format::accepted(accept);
            let mut response = Response::new(scrape(format));
            let content_type = HeaderValue::from_static(format.content_type());
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            response
        }
        "/" => text(StatusCode::OK, "nft-offload: the metrics are at /metrics\n"),
        _ => text(
            StatusCode::NOT_FOUND,
            "not here: the metrics are at /metrics\n",
        ),
    }
}
