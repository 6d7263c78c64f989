// SPDX-License-Identifier: GPL-2.0

//! The HTTP server for Prometheus. Connections, the size of a request and its time are bounded.
//!
//! It uses hyper, as tiny_http 0.12 has neither a read timeout nor a limit on threads.

use super::exposition::Format;
use crate::netlink::client::{Error, Result};
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

/// The number of clients served at a time; others wait in the backlog.
const CONNECTIONS: usize = 32;
/// The largest size of a request, with its headers.
const REQUEST: usize = 16 << 10;
/// The path of the metrics.
const PATH: &str = "/metrics";

/// The timeouts of a client.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// The time to send its request.
    pub request: Duration,
    /// The time until its connection is closed.
    pub connection: Duration,
}

impl Timeouts {
    /// The default: Prometheus waits 10 s.
    pub const DEFAULT: Timeouts = Timeouts {
        request: Duration::from_secs(5),
        connection: Duration::from_secs(30),
    };
}

/// Produces the metrics in a format.
pub type Scrape = dyn Fn(Format) -> String + Send + Sync;

/// A listening server.
pub struct Server {
    runtime: runtime::Runtime,
    listener: TcpListener,
    /// The address at which it listens, with the port that the kernel has chosen.
    pub address: SocketAddr,
}

impl Server {
    /// Listens at an address.
    pub fn bind(address: SocketAddr) -> Result<Self> {
        let system = |error: io::Error| {
            let advice = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    format!(
                        "; to find the program that does: ss -ltnp 'sport = :{}'",
                        address.port()
                    )
                }
                io::ErrorKind::AddrNotAvailable => {
                    "; to list the addresses of this machine: ip address".to_owned()
                }
                io::ErrorKind::PermissionDenied => "; ports below 1024 need root".to_owned(),
                _ => String::new(),
            };
            Error::System(format!("cannot listen on {address}: {error}{advice}"))
        };
        // One thread: scrapes are serialized, whatever the number of clients.
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
    pub fn run(self, timeouts: Timeouts, scrape: Arc<Scrape>) -> Result<()> {
        let Self {
            runtime, listener, ..
        } = self;
        runtime.block_on(async {
            let system = |error| Error::System(format!("cannot wait for signals: {error}"));
            let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
            let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
            tokio::select! {
                () = accept(listener, timeouts, scrape) => {}
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            Ok(())
        })
    }
}

/// Accepts and serves clients.
async fn accept(listener: TcpListener, timeouts: Timeouts, scrape: Arc<Scrape>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    // The semaphore is never closed.
    while let Ok(permit) = room.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let scrape = scrape.clone();
                tokio::spawn(async move {
                    converse(stream, timeouts, scrape).await;
                    drop(permit);
                });
            }
            // The client has gone, or there is no file descriptor: do not retry at once.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Serves one request of a client, so that no client occupies a slot for long. Errors are reported
/// only to the client.
async fn converse(stream: TcpStream, timeouts: Timeouts, scrape: Arc<Scrape>) {
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
        .header_read_timeout(timeouts.request)
        .max_buf_size(REQUEST)
        .keep_alive(false)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let _ = timeout(timeouts.connection, connection).await;
}

/// Answers a request.
pub fn answer(method: &Method, path: &str, accept: &str, scrape: &Scrape) -> Response<String> {
    let text = |status, text: &str| {
        let mut response = Response::new(text.to_owned());
        *response.status_mut() = status;
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        response
    };
    if method != Method::GET && method != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "expected GET or HEAD\n");
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
            "not found: the metrics are at /metrics\n",
        ),
    }
}
