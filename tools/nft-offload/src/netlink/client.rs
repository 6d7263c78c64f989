// SPDX-License-Identifier: GPL-2.0

//! Netlink sockets: requests, dumps, multicast groups, and their errors.

use crate::{
    modprobe,
    netlink::wire::{flag, kind, Malformed, Messages, Request, Verdict},
    text,
};
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use std::{
    fmt, fs, io,
    os::fd::{AsFd, BorrowedFd},
};

/// The size of the receive buffer; the kernel makes packets of at most 32 KiB for a dump.
const BUFFER: usize = 256 << 10;
/// The size of the kernel's receive buffer.
const RECEIVE_BUFFER: usize = 4 << 20;
/// The number of tries to read a dump that is not interrupted by a change.
const TRIES: usize = 5;
/// `MSG_TRUNC`
const MSG_TRUNC: i32 = 0x20;
/// `MSG_DONTWAIT`
const MSG_DONTWAIT: i32 = 0x40;
/// `ENOBUFS`
const ENOBUFS: i32 = 105;

/// An error of a command.
#[derive(Debug)]
pub enum Error {
    /// The module is not loaded.
    NotLoaded,
    /// The kernel refused a request.
    Kernel {
        /// The error number, positive.
        errno: u32,
        /// The kernel's message.
        text: Option<String>,
        /// The attribute that the kernel objects to.
        attribute: Option<String>,
    },
    /// The arguments are wrong.
    Usage(String),
    /// The system refused an operation.
    System(String),
}

impl Error {
    /// Returns whether a privilege is missing.
    pub fn is_permission(&self) -> bool {
        const EPERM: u32 = 1;
        matches!(self, Error::Kernel { errno: EPERM, .. })
    }

    /// Returns the exit status.
    pub fn status(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::NotLoaded => 3,
            Error::Kernel { .. } => 4,
            Error::System(_) => 5,
        }
    }

    /// Returns the name of the kind of error in JSON.
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
            Error::NotLoaded => {
                let command = modprobe::load_command(modprobe::users("nf_flow_table_inet"));
                write!(f, "nft_offload is not loaded: {command}")
            }
            Error::Usage(text) | Error::System(text) => {
                write!(f, "{}", text::clean(text))
            }
            Error::Kernel {
                errno,
                text: message,
                attribute,
            } => {
                write!(f, "the kernel refused: ")?;
                match message {
                    Some(message) => write!(f, "{}", text::clean(message))?,
                    None => write!(f, "{}", text::error_words(*errno))?,
                }
                write!(f, " ({}", text::error_name(*errno))?;
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

/// The result of an operation of a command.
pub type Result<T> = std::result::Result<T, Error>;

/// Converts an error of a socket.
fn socket_error(what: &str) -> impl Fn(io::Error) -> Error + '_ {
    move |error| Error::System(format!("netlink: {what}: {error}"))
}

/// A socket for requests.
pub struct Client {
    socket: Socket,
    seq: u32,
    buffer: Vec<u8>,
}

impl Client {
    /// Opens a socket of `NETLINK_GENERIC` (16), `NETLINK_ROUTE` (0) or `NETLINK_NETFILTER` (12).
    pub fn new(protocol: isize) -> Result<Self> {
        let mut socket = Socket::new(protocol).map_err(socket_error("socket"))?;
        socket.bind_auto().map_err(socket_error("bind"))?;
        socket
            .connect(&SocketAddr::new(0, 0))
            .map_err(socket_error("connect"))?;
        // Older kernels lack some of these options; none is essential.
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

    /// Receives a datagram into the buffer and returns its length.
    fn receive(&mut self) -> Result<usize> {
        loop {
            match self.socket.recv(&mut self.buffer.as_mut_slice(), MSG_TRUNC) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(socket_error("receive")(error)),
                Ok(n) if n > BUFFER => {
                    return Err(Error::System(format!(
                        "netlink: unexpected packet of {n} bytes"
                    )))
                }
                Ok(n) => return Ok(n),
            }
        }
    }

    /// Sends a request and calls `each` with the body of each answer.
    ///
    /// Returns whether a dump was interrupted by a change.
    fn exchange(
        &mut self,
        request: &mut Request,
        flags: u16,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<bool> {
        self.seq = self.seq.wrapping_add(1);
        let seq = self.seq;
        let bytes = request.finish(flags | flag::REQUEST, seq);
        self.socket.send(bytes, 0).map_err(socket_error("send"))?;
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

    /// Sends a request for one object, and reads it from the first answer that `read` accepts.
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

    /// Reads all objects of a dump, again if they change meanwhile.
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

    /// Reads a dump that may not fit into memory: calls `flush` for every `at_once` objects.
    ///
    /// Repeats an interrupted dump only before the first call of `flush`. Returns whether the
    /// dump was interrupted and not repeated.
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

/// What a listener has received.
pub enum Heard<'a> {
    /// A datagram from the kernel.
    Datagram(&'a [u8]),
    /// The receive buffer overran, and datagrams were lost.
    Overrun,
    /// There is no datagram now.
    Nothing,
}

/// A socket that listens to multicast groups.
pub struct Listener {
    socket: Socket,
    protocol: isize,
    port: u32,
    /// The number of lost datagrams that were already reported.
    lost: u64,
    buffer: Vec<u8>,
}

impl Listener {
    /// Opens a socket of a protocol, see [`Client::new`], and joins `groups`.
    pub fn new(protocol: isize, groups: &[u32]) -> Result<Self> {
        let mut socket = Socket::new(protocol).map_err(socket_error("socket"))?;
        let address = socket.bind_auto().map_err(socket_error("bind"))?;
        // Only root may exceed the limit of the system.
        if set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err() {
            let _ = socket.set_rx_buf_sz(RECEIVE_BUFFER as i32);
        }
        for group in groups {
            socket
                .add_membership(*group)
                .map_err(socket_error("group"))?;
        }
        Ok(Self {
            socket,
            protocol,
            port: address.port_number(),
            lost: 0,
            buffer: vec![0; BUFFER],
        })
    }

    /// Receives the next datagram, without waiting.
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
                Err(error) => return Err(socket_error("receive")(error)),
                // Ignore what does not come from the kernel.
                Ok((_, from)) if from.port_number() != 0 => {}
                Ok((n, _)) => {
                    return Ok(Heard::Datagram(
                        self.buffer.get(..n.min(BUFFER)).unwrap_or_default(),
                    ))
                }
            }
        }
    }

    /// Returns how many datagrams were lost since the last call, if the kernel tells.
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

/// Reads the drops of a socket from `/proc/net/netlink`.
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
    fn drops_are_read_for_the_socket() {
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
