// SPDX-License-Identifier: GPL-2.0

//! Interrupts a command that runs until it is stopped: by a signal, or when its output is closed.

use crate::netlink::client::{Error, Result};
use rustix::{
    event::{poll, PollFd, PollFlags, Timespec},
    io::Errno,
};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    low_level::pipe,
};
use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

/// The reason why a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// The source can be read.
    Ready,
    /// The time has elapsed.
    Timeout,
    /// The command has to end.
    Interrupted,
}

/// A socket that becomes readable on a signal.
pub struct Interrupt(UnixStream);

/// Converts an error of the system.
fn system(error: impl Into<io::Error>) -> Error {
    Error::System(format!("cannot wait: {}", error.into()))
}

impl Interrupt {
    /// Catches SIGINT, SIGTERM and `more` signals.
    pub fn on(more: &[i32]) -> Result<Self> {
        let (ours, theirs) = UnixStream::pair().map_err(system)?;
        for signal in [SIGINT, SIGTERM].iter().chain(more) {
            let theirs = theirs.try_clone().map_err(system)?;
            pipe::register(*signal, theirs).map_err(system)?;
        }
        Ok(Self(ours))
    }

    /// Waits until `source` can be read, for `longest` at most, or for an interrupt.
    pub fn wait(&self, source: Option<BorrowedFd<'_>>, longest: Option<Duration>) -> Result<Wake> {
        let start = Instant::now();
        let stdout = io::stdout();
        // Of the output only whether it was closed.
        let mut fds = vec![
            PollFd::new(&self.0, PollFlags::IN),
            PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty()),
        ];
        fds.extend(source.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        loop {
            let rest = longest.map(|longest| {
                let rest = longest.saturating_sub(start.elapsed());
                Timespec {
                    tv_sec: rest.as_secs().try_into().unwrap_or(i64::MAX),
                    tv_nsec: rest.subsec_nanos().into(),
                }
            });
            match poll(&mut fds, rest.as_ref()) {
                Err(Errno::INTR) => continue,
                Err(error) => return Err(system(error)),
                Ok(0) => return Ok(Wake::Timeout),
                Ok(_) => {}
            }
            let (ends, source) = fds.split_at(2);
            let woken = |fds: &[PollFd<'_>]| fds.iter().any(|fd| !fd.revents().is_empty());
            return Ok(match woken(ends) || !woken(source) {
                true => Wake::Interrupted,
                false => Wake::Ready,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_wait_ends_at_the_first_event() {
        let interrupt = Interrupt::on(&[]).unwrap();
        let (mut writer, reader) = UnixStream::pair().unwrap();
        let short = Some(Duration::from_millis(1));
        assert_eq!(interrupt.wait(None, short).unwrap(), Wake::Timeout);
        assert_eq!(
            interrupt.wait(Some(reader.as_fd()), short).unwrap(),
            Wake::Timeout
        );
        writer.write_all(b"x").unwrap();
        assert_eq!(
            interrupt.wait(Some(reader.as_fd()), None).unwrap(),
            Wake::Ready
        );
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert_eq!(
            interrupt.wait(Some(reader.as_fd()), None).unwrap(),
            Wake::Interrupted
        );
        assert_eq!(interrupt.wait(None, None).unwrap(), Wake::Interrupted);
    }
}
