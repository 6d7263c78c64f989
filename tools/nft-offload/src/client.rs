// SPDX-License-Identifier: GPL-2.0

//! A netlink socket: requests, dumps, and what goes wrong with them.

use crate::wire::{flag, kind, Malformed, Messages, Request, Verdict};
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use std::{
    fmt, fs, io,
    os::fd::{AsFd, BorrowedFd},
};

/// The kernel makes packets of at most 32 KiB for a dump.
const BUFFER: usize = 256 << 10;
/// What waits for us in the kernel.
const RECEIVE_BUFFER: usize = 4 << 20;
/// How often a dump is repeated that has changed while it was read.
const TRIES: usize = 5;
/// `MSG_TRUNC`
const MSG_TRUNC: i32 = 0x20;
/// `MSG_DONTWAIT`
const MSG_DONTWAIT: i32 = 0x40;
/// `ENOBUFS`
const ENOBUFS: i32 = 105;

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
    /// Whether the kernel refuses it for want of a privilege.
    pub fn is_permission(&self) -> bool {
        const EPERM: u32 = 1;
        matches!(self, Error::Kernel { errno: EPERM, .. })
    }

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
            Error::NotLoaded => write!(
                f,
                "nft_offload is not loaded: {}",
                crate::doctor::load(crate::machine::module(
                    &crate::machine::modules(),
                    "nf_flow_table_inet"
                ))
            ),
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

/// What a listener hears next.
pub enum Heard<'a> {
    /// A datagram of the kernel.
    Datagram(&'a [u8]),
    /// The kernel had no room to keep what was to be heard.
    Overrun,
    /// Nothing now.
    Nothing,
}

/// A socket that listens to groups.
pub struct Listener {
    socket: Socket,
    protocol: isize,
    port: u32,
    /// What it has lost, as far as that is told.
    lost: u64,
    buffer: Vec<u8>,
}

impl Listener {
    /// To these groups, of a protocol as of [`Client::new`].
    pub fn new(protocol: isize, groups: &[u32]) -> Result<Self> {
        let mut socket = Socket::new(protocol).map_err(system("socket"))?;
        let address = socket.bind_auto().map_err(system("bind"))?;
        // Beyond the machine's limit only root may.
        if set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err() {
            let _ = socket.set_rx_buf_sz(RECEIVE_BUFFER as i32);
        }
        for group in groups {
            socket.add_membership(*group).map_err(system("group"))?;
        }
        Ok(Self {
            socket,
            protocol,
            port: address.port_number(),
            lost: 0,
            buffer: vec![0; BUFFER],
        })
    }

    /// What there is to hear now.
    pub fn hear(&mut self) -> Result<Heard<'_>> {
        let flags = MSG_TRUNC | MSG_DONTWAIT;
        loop {
            let heard = self
                .socket
                .recv_from(&mut self.buffer.as_mut_slice(), flags);
            match heard {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Heard::Nothing)
                }
                Err(error) if error.raw_os_error() == Some(ENOBUFS) => return Ok(Heard::Overrun),
                Err(error) => return Err(system("receive")(error)),
                // Not from the kernel.
                Ok((_, from)) if from.port_number() != 0 => {}
                Ok((n, _)) => {
                    return Ok(Heard::Datagram(
                        self.buffer.get(..n.min(BUFFER)).unwrap_or_default(),
                    ))
                }
            }
        }
    }

    /// How many datagrams were lost since it was last asked, if the kernel says.
    pub fn lost(&mut self) -> Option<u64> {
        let table = fs::read_to_string("/proc/net/netlink").ok()?;
        let all = drops(&table, self.protocol, self.port)?;
        let more = all.saturating_sub(self.lost);
        self.lost = all;
        Some(more)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The drops of a socket in `/proc/net/netlink`.
fn drops(table: &str, protocol: isize, port: u32) -> Option<u64> {
    table.lines().find_map(|line| {
        // sk, Eth, Pid, Groups, Rmem, Wmem, Dump, Locks, Drops, Inode
        let words: Vec<_> = line.split_whitespace().collect();
        let it = words.get(1)?.parse() == Ok(protocol) && words.get(2)?.parse() == Ok(port);
        it.then(|| words.get(8)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_socket_has_lost() {
        let table = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n\
                     00000000c4b1dd59 0   1201       00000551 0        0        0     2        0        19561\n\
                     0000000064b73a2f 16  1201       00000000 0        0        0     2        5        1042\n\
                     00000000e5b2dd59 16  4294967295 00008001 0        0        0     2        17       19566\n";
        assert_eq!(drops(table, 16, u32::MAX), Some(17));
        assert_eq!(drops(table, 16, 1201), Some(5));
        assert_eq!(drops(table, 16, 1), None);
        assert_eq!(drops("16 16 1201\n\n", 16, 1201), None);
    }
}
