// SPDX-License-Identifier: GPL-2.0

//! What ends a command that goes on by itself: a signal, or that nobody reads its output any more.

use crate::client::{Error, Result};
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

/// Why a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// There is something to read.
    Ready,
    /// The time is over.
    Timeout,
    /// It is to end.
    End,
}

/// It is to end as soon as something can be read here.
pub struct End(UnixStream);

fn system(error: impl Into<io::Error>) -> Error {
    Error::System(format!("cannot wait: {}", error.into()))
}

impl End {
    /// With SIGINT and SIGTERM, and these signals.
    pub fn on(more: &[i32]) -> Result<Self> {
        let (ours, theirs) = UnixStream::pair().map_err(system)?;
        for signal in [SIGINT, SIGTERM].iter().chain(more) {
            let theirs = theirs.try_clone().map_err(system)?;
            pipe::register(*signal, theirs).map_err(system)?;
        }
        Ok(Self(ours))
    }

    /// Waits until `source`, if there is one, can be read; no longer than that.
    pub fn wait(&self, source: Option<BorrowedFd<'_>>, longest: Option<Duration>) -> Result<Wake> {
        let start = Instant::now();
        let stdout = io::stdout();
        // Of the output, only that it has gone.
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
                true => Wake::End,
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
    fn a_wait_ends_with_what_comes_first() {
        let end = End::on(&[]).unwrap();
        let (mut writer, reader) = UnixStream::pair().unwrap();
        let short = Some(Duration::from_millis(1));
        assert_eq!(end.wait(None, short).unwrap(), Wake::Timeout);
        assert_eq!(
            end.wait(Some(reader.as_fd()), short).unwrap(),
            Wake::Timeout
        );
        writer.write_all(b"x").unwrap();
        assert_eq!(end.wait(Some(reader.as_fd()), None).unwrap(), Wake::Ready);
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert_eq!(end.wait(Some(reader.as_fd()), None).unwrap(), Wake::End);
        assert_eq!(end.wait(None, None).unwrap(), Wake::End);
    }
}
