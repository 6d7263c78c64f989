// SPDX-License-Identifier: GPL-2.0

//! The operations that a sequence is made of. Each is a name with small numbers, and so is its text: a line of a seed.

use proptest::prelude::*;
use std::{fmt, str::FromStr};

macro_rules! ops {
    ($($(#[$doc:meta])* $weight:literal $name:ident { $($field:ident < $limit:literal),* $(,)? })*) => {
        /// An operation.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Op {
            $($(#[$doc])* $name { $($field: u8),* },)*
        }

        impl Op {
            /// Any operation, each as often as its weight says.
            pub(crate) fn any() -> impl Strategy<Value = Op> {
                prop_oneof![
                    $($weight => ($(0u8..$limit,)*).prop_map(|($($field,)*)| Op::$name { $($field),* }),)*
                ]
            }
        }

        impl fmt::Display for Op {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Op::$name { $($field),* } => {
                        f.write_str(stringify!($name))?;
                        $(write!(f, concat!(" ", stringify!($field), "={}"), $field)?;)*
                    })*
                }
                Ok(())
            }
        }

        impl FromStr for Op {
            type Err = String;

            fn from_str(line: &str) -> Result<Self, String> {
                let mut words = line.split_whitespace();
                let name = words.next().unwrap_or("");
                let mut field = |name: &str, limit: u8| -> Result<u8, String> {
                    words
                        .next()
                        .and_then(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
                        .filter(|value| *value < limit)
                        .ok_or_else(|| format!("{line}: no {name} below {limit}"))
                };
                match name {
                    $(stringify!($name) => Ok(Op::$name { $($field: field(stringify!($field), $limit)?),* }),)*
                    _ => Err(format!("{line}: no such operation")),
                }
            }
        }
    };
}

ops! {
    /// The core takes up a flow of a connection, from one device to another: the first REPLACE.
    12 New { table < 2, connection < 6, from < 4, to < 4 }
    /// A packet of the flow reaches the CPU: another REPLACE.
    12 Refresh { flow < 8 }
    /// The garbage collection looks at a flow: STATS, DESTROY, or its memory is freed.
    24 Gc { flow < 8 }
    /// The flow ends.
    3 Teardown { flow < 8 }
    /// The connection closes: DESTROY while the flow still is there.
    1 Close { flow < 8 }
    /// Packets go through the hardware.
    10 Traffic { flow < 8, dir < 2, packets < 5 }
    /// Time passes.
    6 Advance { by < 6 }
    /// The next hop of a direction gets another address; 0: none is known.
    4 Neighbour { flow < 8, dir < 2, mac < 3 }
    /// The MTU of a device changes.
    1 Mtu { device < 4, jumbo < 2 }
    /// A device joins a flowtable, perhaps once more.
    8 Bind { table < 2, device < 4 }
    /// A device leaves a flowtable; `gone`: it is not found by its index any more.
    4 Unbind { table < 2, device < 4, gone < 2 }
    /// A driver goes that has bound a device of another one.
    2 Gone { table < 2, device < 4 }
    /// Something about the devices changes: one appears, its features do, or what is below a device.
    1 Changed { table < 2, how < 6 }
    /// Somebody takes the flows of a connection out of hardware; 6: all flows.
    3 TakeOut { table < 2, which < 7 }
    /// Somebody has the flows of a connection learned anew; 6: all flows; 7: those in software for what somebody has done.
    2 Relearn { table < 2, which < 8 }
    /// The ruleset changes, so often.
    1 Reload { times < 3 }
    /// Whether the flows of tables that are created from now on end then.
    1 Follow { on < 2 }
    /// Somebody sets a device: off, on, a limit (none, 1, 3), a profile (tc, mlx5), its block, or something of each.
    4 Set { table < 2, device < 4, what < 9 }
    /// The engine's work, once a second.
    3 Chores { table < 2 }
    /// The packets of a flow would go another way now, of which a notifier tells, or a number that changes.
    4 Move { flow < 8, silent < 2 }
    /// The engine's work on what has changed.
    3 Watch { table < 2 }
    /// A driver's next answers to a command.
    8 Fault { device < 4, command < 4, answer < 9, times < 4 }
    /// The driver works again.
    4 Fix { device < 4 }
    /// How many rules fit; 6: any number.
    1 Capacity { device < 4, rules < 7 }
    /// The driver loses a rule.
    1 Lose { flow < 8, dir < 2 }
    /// The device is reset: its driver loses all rules.
    1 Reset { device < 4 }
    /// What the driver says when it is asked for a rule's last use.
    1 Lie { device < 4, how < 5 }
    /// `counter` in the ruleset comes and goes.
    1 Counts { on < 2 }
    /// Parameters of the tables that are created from now on.
    1 Policy { any < 2, admit < 3 }
    /// The flowtable is deleted, and another one created.
    1 Free { table < 2 }
    /// An allocation of the next operation fails.
    2 NoMemory { after < 6 }
    /// The next operation happens during the one after it: between its two commands (0), or in a call of a driver.
    8 Meanwhile { at < 6 }
}

/// A sequence as the text of a seed.
pub(crate) fn write(ops: &[Op]) -> String {
    ops.iter().map(|op| format!("{op}\n")).collect()
}

/// The sequence of a seed; lines that begin with `#` say what it is.
pub(crate) fn read(text: &str) -> Result<Vec<Op>, String> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(Op::from_str)
        .collect()
}
