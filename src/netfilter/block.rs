// SPDX-License-Identifier: GPL-2.0

//! A private `flow_block` on one device: how a driver is bound, called and unbound.
//!
//! The driver gets our block in `flow_block_offload.block`, so its callback is ours to call: no other user of the
//! flowtable's block sees it, and nobody calls it while it is being unbound.
//!
//! C header: [`include/net/flow_offload.h`](srctree/include/net/flow_offload.h)

use super::{
    bindings,
    eopnotsupp,
    netdev::{
        NetDevice,
        Netns, //
    },
    rule::RuleBuilder, //
};
use core::mem::ManuallyDrop;
use kernel::{
    alloc::KBox,
    error::code,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    fmt,
    prelude::*,
    str::CStr,
    types::Opaque, //
};

kernel::sync::global_lock! {
    // SAFETY: Initialised by `init`, which the registration calls before a flowtable can exist.
    unsafe(uninit) static BIND: Mutex<()> = ();
}

/// Prepares what [`Block`] needs.
///
/// # Safety
///
/// Called once, before the first block is bound.
pub(super) unsafe fn init() {
    // SAFETY: By the safety requirement.
    unsafe { BIND.init() }
}

/// What a driver is told to do with a rule.
#[derive(Clone, Copy)]
pub(crate) enum Command<'a> {
    /// Take this rule.
    Replace(&'a RuleBuilder<'a>),
    /// Drop the rule.
    Destroy,
    /// Report what the rule has carried since the last report.
    Stats,
}

/// What a rule has carried since the driver's last report.
#[derive(Clone, Copy, Default)]
pub(crate) struct Stats {
    /// Packets.
    pub(crate) packets: u64,
    /// Bytes, as the driver counts them.
    pub(crate) bytes: u64,
    /// When the last packet was seen, in jiffies as wide as the machine's `unsigned long`; 0 if the driver does not know.
    pub(crate) last_used: u64,
}

/// A driver's refusal: its error and its own words.
#[derive(Clone)]
pub(crate) struct DriverError {
    /// The error; `EIO` where the driver returned a number that is none.
    pub(crate) errno: Error,
    text: [u8; DriverError::MAX_TEXT],
    len: u8,
}

impl DriverError {
    /// As long as a driver can format one (`NETLINK_MAX_FMTMSG_LEN`).
    const MAX_TEXT: usize = 80;

    fn new(errno: c_int, extack: &bindings::netlink_ext_ack) -> Self {
        const MIN_ERRNO: c_int = -4095;
        let mut error = Self {
            errno: code::EIO,
            text: [0; Self::MAX_TEXT],
            len: 0,
        };
        if errno < MIN_ERRNO {
            error.say(b"the driver returned a number that is no errno");
        } else {
            error.errno = Error::from_errno(errno);
            if !extack._msg.is_null() {
                // SAFETY: A driver sets `_msg` to a string constant or to the buffer in `extack`, both terminated.
                error.say(unsafe { CStr::from_char_ptr(extack._msg) }.to_bytes());
            }
        }
        error
    }

    /// Its own words; empty if it has none.
    pub(crate) fn words(&self) -> &[u8] {
        self.text.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Whether another attempt may go well: the device is busy, a rule with the same match is just being removed, or
    /// there was no memory.
    pub(crate) fn is_temporary(&self) -> bool {
        [
            code::EBUSY,
            code::EEXIST,
            code::ENOMEM,
            code::EAGAIN,
            code::EINTR,
        ]
        .contains(&self.errno)
    }

    /// Whether the driver has no room for another rule.
    pub(crate) fn is_full(&self) -> bool {
        self.errno == code::ENOSPC
    }

    /// Whether the driver does not know the rule that it was asked about.
    pub(crate) fn is_unknown_rule(&self) -> bool {
        self.errno == code::ENOENT
    }

    /// There was no memory to ask the driver.
    pub(crate) fn no_memory() -> Self {
        Self::with_text(code::ENOMEM, b"")
    }

    /// The driver accepted the binding, but has no callback that takes rules.
    pub(crate) fn no_callback() -> Self {
        Self::with_text(
            eopnotsupp(),
            b"the driver accepts flowtables but takes no rules from them",
        )
    }

    fn with_text(errno: Error, text: &[u8]) -> Self {
        let mut error = Self {
            errno,
            text: [0; Self::MAX_TEXT],
            len: 0,
        };
        error.say(text);
        error
    }

    fn say(&mut self, words: &[u8]) {
        self.len = 0;
        for (to, from) in self.text.iter_mut().zip(words) {
            // The text comes from a driver: nothing in it may break a log line.
            *to = if from.is_ascii_graphic() || *from == b' ' {
                *from
            } else {
                b'?'
            };
            self.len += 1;
        }
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errno.name() {
            Some(name) => f.write_str(name.to_str().unwrap_or("?"))?,
            None => write!(f, "errno {}", self.errno.to_errno())?,
        }
        match core::str::from_utf8(self.words()) {
            Ok(text) if !text.is_empty() => write!(f, ", \"{text}\""),
            _ => Ok(()),
        }
    }
}

/// A driver's callback.
///
/// # Invariants
///
/// `call` may be called with `private` until the block is unbound.
struct Callback {
    call: unsafe extern "C" fn(bindings::tc_setup_type, *mut c_void, *mut c_void) -> c_int,
    private: *mut c_void,
}

/// A block that is bound to a device, with the one callback of its driver.
///
/// # Invariants
///
/// The address of `block` is the one that the driver knows; its list holds the driver's callback, which is `callback`.
pub(crate) struct Block {
    block: ManuallyDrop<KBox<Opaque<bindings::flow_block>>>,
    callback: Option<Callback>,
}

// SAFETY: The block is used from whatever thread the core calls us on; the driver's callbacks are made for that.
unsafe impl Send for Block {}
// SAFETY: A shared reference only calls the driver's callback, which may run concurrently.
unsafe impl Sync for Block {}

impl Block {
    /// Binds a new block to `dev` with `TC_SETUP_FT`.
    ///
    /// Errors: the driver's, or `EOPNOTSUPP` if it takes no rules. May sleep.
    pub(crate) fn bind(dev: &NetDevice, net: Netns<'_>) -> Result<Self, DriverError> {
        if !dev.has_setup_tc() {
            return Err(DriverError::with_text(
                eopnotsupp(),
                b"the driver has no hardware offload",
            ));
        }
        let block = KBox::new(Opaque::<bindings::flow_block>::uninit(), GFP_KERNEL)
            .map_err(|_| DriverError::no_memory())?;
        // SAFETY: `block` is memory for a `flow_block`.
        unsafe { bindings::nfto_block_init(block.get()) };
        let mut bound = Self {
            block: ManuallyDrop::new(block),
            callback: None,
        };
        // INVARIANT: `setup` fills the list of the block, `remember` keeps what is in it.
        bound.setup(dev, net, bindings::flow_block_command_FLOW_BLOCK_BIND)?;
        if let Err(text) = bound.remember() {
            bound.unbind(dev, net);
            return Err(DriverError::with_text(eopnotsupp(), text));
        }
        Ok(bound)
    }

    fn setup(
        &mut self,
        dev: &NetDevice,
        net: Netns<'_>,
        command: bindings::flow_block_command,
    ) -> Result<(), DriverError> {
        // Drivers keep the list of their bindings without a lock of their own; flowtables of different namespaces would
        // change it at the same time. tc, under RTNL, still can.
        let _serial = BIND.lock();
        let mut extack = bindings::netlink_ext_ack::default();
        let mut offload = bindings::flow_block_offload::default();
        let offload = &raw mut offload;
        // SAFETY: `offload`, the block and `extack` are valid for the call. The driver puts its callback on the list in
        // `offload` (BIND) or moves it there (UNBIND); it is spliced or freed before `offload` goes away. What a failed
        // BIND leaves there may still be known to the driver, and stays. No callback runs during UNBIND, as `self` is
        // exclusive.
        let err = unsafe {
            bindings::nfto_block_offload_init(
                offload,
                self.block.get(),
                net.as_raw(),
                command,
                &raw mut extack,
            );
            let err = bindings::nfto_setup_tc_ft(dev.as_raw(), offload);
            if command == bindings::flow_block_command_FLOW_BLOCK_UNBIND {
                bindings::nfto_block_free_cbs(&raw mut (*offload).cb_list);
            } else if err >= 0 {
                bindings::nfto_block_splice(offload);
            }
            err
        };
        if err < 0 {
            return Err(DriverError::new(err, &extack));
        }
        Ok(())
    }

    /// Takes the driver's callback out of the list; the error says why there is none to use.
    fn remember(&mut self) -> Result<(), &'static [u8]> {
        // SAFETY: The block was initialised, and its list is ours alone; its members are `flow_block_cb`s that the
        // driver allocated, linked through `list`.
        unsafe {
            let head = &raw mut (*self.block.get()).cb_list;
            let node = (*head).next;
            if node == head {
                return Err(b"the driver accepts flowtables but takes no rules from them");
            }
            if (*node).next != head {
                return Err(b"the driver gave more than one callback");
            }
            let cb = node
                .byte_sub(core::mem::offset_of!(bindings::flow_block_cb, list))
                .cast::<bindings::flow_block_cb>();
            let call = (*cb).cb.ok_or(&b"the driver gave no callback"[..])?;
            self.callback = Some(Callback {
                call,
                private: (*cb).cb_priv,
            });
        }
        Ok(())
    }

    /// Unbinds the block. The caller has destroyed its rules; no callback is in flight, as `self` is taken.
    pub(crate) fn unbind(mut self, dev: &NetDevice, net: Netns<'_>) {
        // The driver's answer changes nothing: the device is going or the user said so.
        let _ = self.setup(dev, net, bindings::flow_block_command_FLOW_BLOCK_UNBIND);
    }

    /// Sends one command for the rule `cookie` to the driver. May sleep.
    pub(crate) fn command(&self, cookie: u64, command: Command<'_>) -> Result<Stats, DriverError> {
        match &self.callback {
            Some(callback) => callback.invoke(cookie, command),
            None => Err(DriverError::no_callback()),
        }
    }
}

impl Callback {
    /// A small positive priority; drivers refuse 0 and large ones.
    const PRIORITY: u32 = 1;

    fn invoke(&self, cookie: u64, command: Command<'_>) -> Result<Stats, DriverError> {
        let mut extack = bindings::netlink_ext_ack::default();
        let mut cls = bindings::flow_cls_offload::default();
        cls.common.protocol = (bindings::ETH_P_ALL as u16).to_be();
        cls.common.prio = Self::PRIORITY;
        cls.common.extack = &raw mut extack;
        cls.cookie = cookie as c_ulong;
        cls.command = match command {
            Command::Replace(rule) => {
                cls.rule = rule.as_raw();
                bindings::flow_cls_command_FLOW_CLS_REPLACE
            }
            Command::Destroy => bindings::flow_cls_command_FLOW_CLS_DESTROY,
            Command::Stats => bindings::flow_cls_command_FLOW_CLS_STATS,
        };
        // SAFETY: By the type invariant the callback may be called; `cls`, the rule and `extack` live through the call,
        // and drivers copy what they keep.
        let err = unsafe {
            (self.call)(
                bindings::tc_setup_type_TC_SETUP_CLSFLOWER,
                (&raw mut cls).cast(),
                self.private,
            )
        };
        if err < 0 {
            return Err(DriverError::new(err, &extack));
        }
        Ok(Stats {
            packets: cls.stats.pkts,
            bytes: cls.stats.bytes,
            last_used: cls.stats.lastused,
        })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: The block was initialised, and nobody else uses it.
        let empty = unsafe {
            let head = &raw mut (*self.block.get()).cb_list;
            (*head).next == head
        };
        if empty {
            // SAFETY: This is the end of the block; it is not used again.
            unsafe { ManuallyDrop::drop(&mut self.block) };
        } else {
            // The driver kept its callback through UNBIND: it still points to this memory, so it stays.
            pr_err!("a driver did not give back its flow_block callback; its memory is kept\n");
        }
    }
}
