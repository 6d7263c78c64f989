// SPDX-License-Identifier: GPL-2.0

//! Tests of the formats, the answers and the timeouts of the server, and the file. `crate::tests`
//! compares the whole text.

use super::{
    exposition::{escaped, render, Format},
    listen, replace,
    server::{answer, Server, Timeouts},
};
use hyper::{
    header::{ALLOW, CONTENT_TYPE},
    Method,
};
use signal_hook::{consts::SIGTERM, low_level::raise};
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::{symlink, PermissionsExt},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const PATIENCE: Timeouts = Timeouts {
    request: Duration::from_millis(300),
    connection: Duration::from_millis(600),
};

fn scrape(format: Format) -> String {
    format!("{format:?}\n")
}

/// Starts a server on loopback.
fn server(timeouts: Timeouts) -> (SocketAddr, JoinHandle<()>) {
    let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = server.address;
    let run = move || server.run(timeouts, Arc::new(scrape)).unwrap();
    (address, thread::spawn(run))
}

/// Sends bytes and returns the answer, until the server closes.
fn exchange(to: SocketAddr, request: &[u8]) -> String {
    let mut client = TcpStream::connect(to).unwrap();
    let long = Some(Duration::from_secs(20));
    client.set_read_timeout(long).unwrap();
    client.write_all(request).unwrap();
    let mut answer = Vec::new();
    // The server may reset the connection of a client that has sent too much.
    let _ = client.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn label_values_are_escaped() {
    assert_eq!(escaped(r#"a"b\c"#), r#"a\"b\\c"#);
    assert_eq!(escaped("a\nb\tc é"), "a\\nb\tc é");
}

#[test]
fn without_the_module_there_are_few_metrics() {
    let version = env!("CARGO_PKG_VERSION");
    let up = "# HELP nft_offload_up Whether nft_offload answered.\n\
        # TYPE nft_offload_up gauge\nnft_offload_up 0\n";
    assert_eq!(
        render(Format::Prometheus, None),
        format!(
            "{up}# HELP nft_offload_info The command nft-offload.\n\
            # TYPE nft_offload_info gauge\nnft_offload_info{{version=\"{version}\"}} 1\n"
        )
    );
    assert_eq!(
        render(Format::OpenMetrics, None),
        format!(
            "{up}# HELP nft_offload The command nft-offload.\n\
            # TYPE nft_offload info\nnft_offload_info{{version=\"{version}\"}} 1\n# EOF\n"
        )
    );
}

#[test]
fn a_client_gets_the_format_that_it_prefers() {
    let openmetrics = [
        // Prometheus 2.42
        "application/openmetrics-text;version=1.0.0,\
            application/openmetrics-text;version=0.0.1;q=0.75,\
            text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        // Prometheus 3
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
            application/openmetrics-text;version=0.0.1;q=0.4,\
            text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        "Application/OpenMetrics-Text; Version=\"1.0.0\"",
        "application/openmetrics-text",
    ];
    for accept in openmetrics {
        assert_eq!(Format::accepted(accept), Format::OpenMetrics, "{accept}");
    }
    let prometheus = [
        "",
        "*/*",
        "text/html,application/xhtml+xml",
        "text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=much",
        "application/openmetrics-text;version=2.0.0",
        ";;=,,",
    ];
    for accept in prometheus {
        assert_eq!(Format::accepted(accept), Format::Prometheus, "{accept}");
    }
}

#[test]
fn answers_have_a_status_and_a_type() {
    let get = |method: &Method, path, accept| {
        let response = answer(method, path, accept, &scrape);
        let content_type = response.headers()[CONTENT_TYPE].to_str().unwrap();
        let content_type = content_type.to_owned();
        (
            response.status().as_u16(),
            content_type,
            response.into_body(),
        )
    };
    let (status, content_type, body) = get(&Method::GET, "/metrics", "");
    assert_eq!((status, body.as_str()), (200, "Prometheus\n"));
    assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
    let (_, content_type, body) = get(&Method::GET, "/metrics", "application/openmetrics-text");
    assert_eq!(body, "OpenMetrics\n");
    assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"));
    assert_eq!(get(&Method::GET, "/", "").0, 200);
    assert_eq!(get(&Method::GET, "/metrics/", "").0, 404);
    assert_eq!(get(&Method::HEAD, "/metrics", "").0, 200);
    let refused = answer(&Method::POST, "/metrics", "", &scrape);
    assert_eq!(refused.status(), 405);
    assert_eq!(refused.headers()[ALLOW], "GET, HEAD");
}

#[test]
fn clients_are_answered_whatever_they_send() {
    let (address, _) = server(PATIENCE);
    let good = exchange(address, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(good.starts_with("HTTP/1.1 200 OK\r\n"), "{good}");
    assert!(good.contains("connection: close\r\n"), "{good}");
    assert!(good.ends_with("\r\n\r\nPrometheus\n"), "{good}");
    let old = exchange(address, b"GET /metrics HTTP/1.0\r\n\r\n");
    assert!(old.ends_with("\r\n\r\nPrometheus\n"), "{old}");
    let head = exchange(address, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(head.contains("content-length: 11\r\n") && head.ends_with("\r\n\r\n"));
    let wrong = exchange(address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n");
    assert!(wrong.starts_with("HTTP/1.1 400 "), "{wrong}");
    let mut large = b"GET /metrics HTTP/1.1\r\nX: ".to_vec();
    large.resize(1 << 20, b'x');
    let large = exchange(address, &large);
    assert!(!large.contains(" 200 "), "{large}");
    // The server does not wait for an announced body.
    let body = b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n";
    assert!(exchange(address, body).ends_with("Prometheus\n"));
    let good = exchange(address, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(good.ends_with("Prometheus\n"), "{good}");
}

#[test]
fn slow_clients_do_not_keep_others_out() {
    let (address, _) = server(PATIENCE);
    let start = Instant::now();
    // More clients than are served at a time: silent ones, and others that never finish a request.
    let mut slow: Vec<_> = (0..80)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    for client in slow.iter_mut().skip(40) {
        client.write_all(b"GET /metrics HTTP/1.1\r\nX: ").unwrap();
    }
    let good = exchange(address, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(good.ends_with("Prometheus\n"), "{good}");
    // Three times the timeout, and some for a busy machine.
    assert!(start.elapsed() < Duration::from_secs(10));
    for client in &mut slow {
        let long = Some(Duration::from_secs(10));
        client.set_read_timeout(long).unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        assert!(!rest.windows(3).any(|w| w == b"200"));
    }
}

#[test]
fn a_signal_stops_the_server() {
    let (address, running) = server(Timeouts::DEFAULT);
    let waiting = TcpStream::connect(address).unwrap();
    // Once it answers, its handlers are installed.
    exchange(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    raise(SIGTERM).unwrap();
    running.join().unwrap();
    drop(waiting);
}

#[test]
fn an_address_in_use_is_refused_with_advice() {
    let (address, _) = server(PATIENCE);
    let Err(error) = Server::bind(address) else {
        panic!()
    };
    let text = error.to_string();
    let start = format!("cannot listen on {address}: Address already in use");
    assert!(text.starts_with(&start), "{text}");
    assert!(text.ends_with(&format!("'sport = :{}'", address.port())));
}

#[test]
fn a_file_is_replaced_atomically() {
    let directory = tempfile::tempdir().unwrap();
    let names = || {
        let mut names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let path = directory.path().join("nft-offload.prom");
    replace(&path, "one\n").unwrap();
    let old = fs::File::open(&path).unwrap();
    replace(&path, "two\n").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    // A reader that has the old file open continues to read it.
    assert_eq!(std::io::read_to_string(old).unwrap(), "one\n");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
    assert_eq!(names(), ["nft-offload.prom"]);

    let missing = directory.path().join("there/is/none.prom");
    let text = replace(&missing, "x").unwrap_err().to_string();
    let parent = missing.parent().unwrap().display();
    assert!(text.ends_with(&format!(": mkdir -p {parent}")), "{text}");
    let device = directory.path().join("null");
    symlink("/dev/null", &device).unwrap();
    let text = replace(&device, "x").unwrap_err().to_string();
    assert!(text.ends_with("is not a regular file"), "{text}");
    let text = replace(directory.path(), "x").unwrap_err().to_string();
    assert!(text.ends_with("is not a regular file"), "{text}");
    assert_eq!(names(), ["nft-offload.prom", "null"]);
}

#[test]
fn addresses_are_parsed() {
    let cases = [
        ("127.0.0.1", "127.0.0.1:10311"),
        ("9999", "127.0.0.1:9999"),
        ("0.0.0.0:80", "0.0.0.0:80"),
        ("::1", "[::1]:10311"),
        ("[::1]", "[::1]:10311"),
        ("[fe80::1]:7", "[fe80::1]:7"),
    ];
    for (text, address) in cases {
        assert_eq!(listen(text).unwrap(), address.parse().unwrap(), "{text}");
    }
    for wrong in ["", "localhost", "127.0.0.1:", "65536", ":80", "10.0.0.256"] {
        assert!(listen(wrong).is_err(), "{wrong}");
    }
}
