// SPDX-License-Identifier: GPL-2.0

//! A netlink socket: requests, dumps, and what goes wrong with them.

use crate::wire::{flag, kind, Malformed, Messages, Request, Verdict};
use netlink_sys::{Socket, SocketAddr};
use std::{fmt, io};

/// The kernel makes packets of at most 32 KiB for a dump.
const BUFFER: usize = 256 << 10;
/// What waits for us in the kernel.
const RECEIVE_BUFFER: usize = 4 << 20;
/// How often a dump is repeated that has changed while it was read.
const TRIES: usize = 5;
/// `MSG_TRUNC`
const MSG_TRUNC: i32 = 0x20;

/// Why there is no answer.
#[derive(Debug)]
pub enum Error {
    /// The family is not there.
    NotLoaded,
    /// The kernel has refused a request.
    Kernel {
        /// Positive.
        errno: u32,
        /// The kernel's own words.
        text: Option<String>,
        /// The attribute that it finds fault with.
        attribute: Option<String>,
    },
    /// What was asked for makes no sense.
    Usage(String),
    /// The machine does not let us.
    System(String),
}

impl Error {
    /// The exit status.
    pub fn status(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::NotLoaded => 3,
            Error::Kernel { .. } => 4,
            Error::System(_) => 5,
        }
    }

    /// Its name in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Usage(_) => "usage",
            Error::NotLoaded => "not-loaded",
            Error::Kernel { .. } => "kernel",
            Error::System(_) => "system",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotLoaded => write!(f, "nft_offload is not loaded: modprobe nft_offload"),
            Error::Usage(text) | Error::System(text) => {
                write!(f, "{}", crate::text::clean(text))
            }
            Error::Kernel {
                errno,
                text,
                attribute,
            } => {
                write!(f, "the kernel refused: ")?;
                match text {
                    Some(text) => write!(f, "{}", crate::text::clean(text))?,
                    None => write!(f, "{}", crate::text::error_words(*errno))?,
                }
                write!(f, " ({}", crate::text::error_name(*errno))?;
                match attribute {
                    Some(attribute) => write!(f, ", attribute {attribute})"),
                    None => write!(f, ")"),
                }
            }
        }
    }
}

impl From<Malformed> for Error {
    fn from(_: Malformed) -> Self {
        Error::System("the kernel's answer is not a netlink message".to_owned())
    }
}

/// The result of what asks the kernel.
pub type Result<T> = std::result::Result<T, Error>;

fn system(what: &str) -> impl Fn(io::Error) -> Error + '_ {
    move |error| Error::System(format!("netlink: {what}: {error}"))
}

/// A socket.
pub struct Client {
    socket: Socket,
    seq: u32,
    buffer: Vec<u8>,
}

impl Client {
    /// One of `NETLINK_GENERIC` (16), `NETLINK_ROUTE` (0), `NETLINK_NETFILTER` (12).
    pub fn new(protocol: isize) -> Result<Self> {
        let mut socket = Socket::new(protocol).map_err(system("socket"))?;
        socket.bind_auto().map_err(system("bind"))?;
        socket
            .connect(&SocketAddr::new(0, 0))
            .map_err(system("connect"))?;
        // Each of these makes answers better, none is needed.
        let _ = socket.set_rx_buf_sz(RECEIVE_BUFFER as i32);
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        let _ = socket.set_netlink_get_strict_chk(true);
        Ok(Self {
            socket,
            seq: 0,
            buffer: vec![0; BUFFER],
        })
    }

    fn receive(&mut self) -> Result<usize> {
        loop {
            match self.socket.recv(&mut self.buffer.as_mut_slice(), MSG_TRUNC) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(system("receive")(error)),
                Ok(n) if n > BUFFER => {
                    return Err(Error::System(format!("netlink: a packet of {n} bytes")))
                }
                Ok(n) => return Ok(n),
            }
        }
    }

    /// Sends a request and calls `each` with the body of each answer. True if it was a dump that something changed under.
    fn exchange(
        &mut self,
        request: &mut Request,
        flags: u16,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<bool> {
        self.seq = self.seq.wrapping_add(1);
        let seq = self.seq;
        let bytes = request.finish(flags | flag::REQUEST, seq);
        self.socket.send(bytes, 0).map_err(system("send"))?;
        let mut interrupted = false;
        loop {
            let n = self.receive()?;
            for message in Messages::new(self.buffer.get(..n).unwrap_or_default()) {
                let message = message?;
                if message.seq != seq {
                    continue;
                }
                interrupted |= message.flags & flag::DUMP_INTR != 0;
                if !matches!(message.kind, kind::ERROR | kind::DONE) {
                    if message.kind > kind::DONE {
                        each(message.body)?;
                    }
                    continue;
                }
                let verdict = Verdict::read(&message);
                if verdict.errno == 0 {
                    return Ok(interrupted);
                }
                return Err(Error::Kernel {
                    errno: verdict.errno,
                    text: verdict.text.filter(|text| !text.is_empty()),
                    attribute: match (verdict.offset, verdict.missing) {
                        (Some(at), _) => request.name_at(at).map(str::to_owned),
                        (None, Some(number)) => Some(format!("number {number}, which is missing")),
                        (None, None) => None,
                    },
                });
            }
        }
    }

    /// Asks for one thing. What comes, if anything does, is made of the answer's body.
    pub fn ask<T>(
        &mut self,
        request: &mut Request,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Option<T>> {
        let mut answer = None;
        self.exchange(request, flag::ACK, &mut |body| {
            answer = answer.take().or_else(|| read(body));
            Ok(())
        })?;
        Ok(answer)
    }

    /// Asks for all there is. What has changed meanwhile is asked for again.
    pub fn dump<T>(
        &mut self,
        request: &mut Request,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        for _ in 0..TRIES {
            all.clear();
            let interrupted = self.exchange(request, flag::DUMP, &mut |body| {
                all.extend(read(body));
                Ok(())
            })?;
            if !interrupted {
                break;
            }
        }
        Ok(all)
    }

    /// As [`Client::dump`], for what may not fit into memory: calls `flush` with `at_once` of them at a time. Repeats only
    /// before the first call. True if it changed meanwhile and could not be repeated.
    pub fn stream<T>(
        &mut self,
        request: &mut Request,
        at_once: usize,
        read: impl Fn(&[u8]) -> Option<T>,
        flush: &mut dyn FnMut(&mut Vec<T>) -> Result<()>,
    ) -> Result<bool> {
        let mut some = Vec::new();
        let mut flushed = false;
        let mut interrupted = false;
        for _ in 0..TRIES {
            some.clear();
            interrupted = self.exchange(request, flag::DUMP, &mut |body| {
                some.extend(read(body));
                if some.len() >= at_once {
                    flush(&mut some)?;
                    some.clear();
                    flushed = true;
                }
                Ok(())
            })?;
            if !interrupted || flushed {
                break;
            }
        }
        flush(&mut some)?;
        Ok(interrupted)
    }
}
