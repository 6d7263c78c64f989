// SPDX-License-Identifier: GPL-2.0

//! `nft-offload doctor --switch`: moves a running machine from one flowtable type to the other.
//!
//! A module can be unloaded only if no flowtable uses it, and a flowtable can be deleted only if no
//! rule refers to it. So the rules that add flows are replaced in place by rules that match the
//! same and add none; then the flowtables are deleted, the modules are exchanged, and everything is
//! restored. No other rule, set or connection is touched: established connections take the slow
//! path meanwhile.
//!
//! Each change is one transaction of nft. After an error or a signal the old state is restored; if
//! even that fails, a script is left that restores it.

mod ruleset;
mod tools;
mod types;

use crate::{
    interrupt::{Interrupt, Wake},
    modprobe::{self, LoadOrder},
    netlink::{
        client::{Error, Result},
        family::Flowtable,
    },
    output::Output,
    system,
    text::{plural, shell_word},
};
use ruleset::{FlowRule, Plan, Rule, Saved};
use serde::Serialize;
use signal_hook::consts::{SIGHUP, SIGQUIT};
use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, IsTerminal, Write},
    os::{
        fd::AsFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    time::{Duration, Instant},
};
use tools::{nft, transaction};
pub use types::Type;

/// The directory of the old state during a switch; it allows one switch at a time.
const DIRECTORY: &str = "/run/nft-offload-switch";
/// The script that restores the old state.
const SCRIPT: &str = "/run/nft-offload-switch/restore.sh";
/// The whole ruleset before the switch.
const RULESET: &str = "/run/nft-offload-switch/ruleset.nft";
/// The time that a flow stays in a flowtable without packets, in seconds.
const TIMEOUTS: [&str; 2] = [
    "/proc/sys/net/netfilter/nf_flowtable_tcp_timeout",
    "/proc/sys/net/netfilter/nf_flowtable_udp_timeout",
];

/// The progress of a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Nothing has been changed.
    Untouched,
    /// No rule adds flows.
    Paused,
    /// The flowtables are deleted.
    Deleted,
    /// The old type is unloaded.
    Unloaded,
    /// The flowtables are restored, with the new type.
    Restored,
}

/// A switch from one type to the other.
struct Switch {
    from: Type,
    to: Type,
    /// The types that were loaded, in order.
    loaded: Vec<Type>,
    /// The parameters of nft_offload.
    parameters: Vec<String>,
    plan: Plan,
    /// The rules of the changed chains, before the switch.
    rules: Vec<Rule>,
    /// The handles of the placeholders.
    held: Vec<u64>,
    /// The timeouts that were set to 0.
    timeouts: Vec<(&'static str, String)>,
    stage: Stage,
    interrupt: Interrupt,
}

/// Prints a line of progress. A failure to write it does not stop the switch.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Creates an error of the system.
fn system(text: impl Into<String>) -> Error {
    Error::System(text.into())
}

/// Creates the error of a switch that is refused before anything is changed.
fn refused(why: impl std::fmt::Display) -> Error {
    system(format!("{why}; nothing was changed"))
}

/// Formats a rule for an error.
fn quoted(rule: &FlowRule) -> String {
    format!("the rule '{}' in chain {}", rule.text, rule.chain())
}

/// Lists the flowtables and the rules that add flows to them, and all rules of their chains.
fn plan() -> Result<(Plan, Vec<Rule>)> {
    let all = system::nft_flowtables()?.unwrap_or_default();
    let owned = ruleset::owned_tables()?;
    let rules = ruleset::rules()?;
    let mut plan = Plan::default();
    for flowtable in all {
        let Flowtable {
            family,
            table,
            name,
        } = &flowtable.flowtable;
        if !ruleset::is_name(table) || !ruleset::is_name(name) {
            let text = format!(
                "flowtable {} has a name that nft does not accept",
                flowtable.flowtable
            );
            return Err(refused(text));
        }
        if owned.contains(&format!("{family} {table}")) {
            return Err(refused(format!(
                "table {family} {table} can be changed only by the program that owns it (flags \
                 owner, as used by firewalld): stop that program, switch, start it again"
            )));
        }
        let body = list_flowtable(&flowtable.flowtable).map_err(refused)?;
        let body = body.ok_or_else(|| {
            refused(format!(
                "nft does not list flowtable {}",
                flowtable.flowtable
            ))
        })?;
        plan.flowtables.push(Saved { flowtable, body });
    }
    let mut texts: BTreeMap<String, BTreeMap<u64, String>> = BTreeMap::new();
    for rule in rules.iter().filter(|r| !r.flowtables.is_empty()) {
        let chain = format!("{} {}", rule.table, rule.chain);
        if !ruleset::is_name(&rule.chain) {
            return Err(refused(format!(
                "chain {chain} has a name that nft does not accept"
            )));
        }
        if !texts.contains_key(&chain) {
            texts.insert(chain.clone(), list_chain(&chain, &[])?);
        }
        let text = texts.get(&chain).and_then(|texts| texts.get(&rule.handle));
        let text = text.filter(|text| ruleset::before_flow(text).is_some());
        let text = text.ok_or_else(|| {
            refused(format!(
                "nft does not list the rule of chain {chain} with handle {}, which adds flows",
                rule.handle
            ))
        })?;
        plan.rules.push(FlowRule {
            rule: rule.clone(),
            text: text.clone(),
        });
    }
    for saved in &plan.flowtables {
        let Flowtable {
            family,
            table,
            name,
        } = &saved.flowtable.flowtable;
        let table = format!("{family} {table}");
        let inside = plan.rules.iter().filter(|r| r.rule.table == table);
        let named = inside
            .flat_map(|r| &r.rule.flowtables)
            .filter(|n| *n == name);
        let seen = named.count();
        if u32::try_from(seen) != Ok(saved.flowtable.rules) {
            return Err(refused(format!(
                "flowtable {} is used by {} rules, but {} found",
                saved.flowtable.flowtable,
                saved.flowtable.rules,
                match seen {
                    1 => "1 was".to_owned(),
                    n => format!("{n} were"),
                },
            )));
        }
    }
    let mut chains: Vec<String> = plan.rules.iter().map(FlowRule::chain).collect();
    chains.dedup();
    let rules = ruleset::rules_of(&chains, &rules)
        .into_iter()
        .cloned()
        .collect();
    Ok((plan, rules))
}

/// Lists the body of a flowtable with nft.
fn list_flowtable(of: &Flowtable) -> std::result::Result<Option<String>, String> {
    let family = of.family.to_string();
    let listing = nft(&["list", "flowtable", &family, &of.table, &of.name])?;
    Ok(ruleset::flowtable_body(&listing))
}

/// Lists the rules of a chain (`inet router forward`) with nft, by handle.
fn list_chain(chain: &str, options: &[&str]) -> Result<BTreeMap<u64, String>> {
    let mut arguments = options.to_vec();
    arguments.extend(["-a", "list", "chain"]);
    arguments.extend(chain.split(' '));
    Ok(ruleset::texts(&nft(&arguments).map_err(refused)?))
}

/// Checks that nft can restore the rules: creates them in a chain that nothing jumps to, and
/// compares them by what the kernel holds and by what nft lists.
fn try_rules(plan: &Plan) -> Result<()> {
    let (try_them, clean) = plan.trial();
    transaction(&try_them).map_err(|why| {
        refused(format!(
            "nft rejects a rule that it has listed itself ({why}), one of: {}",
            plan.rules.iter().map(quoted).collect::<Vec<_>>().join("; ")
        ))
    })?;
    let compared = compare_trial(plan);
    transaction(&clean).map_err(|why| {
        system(format!(
            "cannot delete chain {}, in which rules were tried: {why}",
            ruleset::TRIAL
        ))
    })?;
    compared
}

/// Deletes the chains of a trial that was killed.
fn remove_trials() -> Result<()> {
    let rules = ruleset::rules()?;
    let tried = rules.iter().filter(|r| r.chain == ruleset::TRIAL);
    let mut tables: Vec<_> = tried.map(|r| &r.table).collect();
    tables.dedup();
    for table in tables {
        transaction(&ruleset::remove_trial(table)).map_err(system)?;
    }
    Ok(())
}

/// Compares the rules of the trial with the original ones.
fn compare_trial(plan: &Plan) -> Result<()> {
    let all = ruleset::rules()?;
    let mut tried: Vec<_> = all.iter().filter(|r| r.chain == ruleset::TRIAL).collect();
    let text = |rule: &Rule| {
        let chain = format!("{} {}", rule.table, rule.chain);
        Ok::<_, Error>(list_chain(&chain, &["-s"])?.remove(&rule.handle))
    };
    for rule in &plan.rules {
        let found = tried.iter().position(|r| r.table == rule.rule.table);
        let same = match found.map(|at| tried.remove(at)) {
            Some(again) => again.acts_as(&rule.rule) && text(again)? == text(&rule.rule)?,
            None => false,
        };
        if !same {
            return Err(refused(format!(
                "nft lists {} in a form that would not restore it",
                quoted(rule)
            )));
        }
    }
    Ok(())
}

impl Switch {
    /// Prepares a switch and checks that it is possible. `None` if the type is already in use.
    fn prepare(to: Option<Type>, interrupt: Interrupt) -> Result<Option<Self>> {
        if system::nft_flowtables()?.is_none() {
            return Err(refused("only root may change flowtables and modules"));
        }
        if fs::exists(DIRECTORY).unwrap_or(false) {
            return Err(under_way());
        }
        let loaded = types::loaded();
        let Some(from) = loaded.first().copied() else {
            return Err(refused(
                "neither nft_offload nor nf_flow_table_inet is loaded, so there is nothing to \
                 switch: modprobe nft_offload",
            ));
        };
        let to = to.unwrap_or(from.other());
        if to == from {
            return Ok(None);
        }
        remove_trials()?;
        let (plan, rules) = plan()?;
        types::exchangeable(&loaded, to)?;
        let ours = plan.flowtables.len() as u64;
        types::wait_users(from, ours, types::SHORT, &mut || Ok(())).map_err(refused)?;
        try_rules(&plan)?;
        Ok(Some(Self {
            from,
            to,
            loaded,
            parameters: types::parameters(),
            plan,
            rules,
            held: Vec::new(),
            timeouts: Vec::new(),
            stage: Stage::Untouched,
            interrupt,
        }))
    }

    /// Describes the switch.
    fn announcement(&self) -> String {
        let (from, to) = (self.from, self.to);
        let mut text = String::new();
        for saved in &self.plan.flowtables {
            let of = &saved.flowtable;
            text += &format!(
                "flowtable {} ({}; {}): {from} -> {to}\n",
                of.flowtable,
                of.devices.join(", "),
                plural(of.rules.into(), "rule")
            );
        }
        if text.is_empty() {
            text = format!("no flowtable in this network namespace: {from} -> {to} for new ones\n");
        }
        text + "Connections take the slow path meanwhile."
    }

    /// Fails if the switch was interrupted.
    fn go_on(&self) -> Result<()> {
        match self.interrupt.wait(None, Some(Duration::ZERO))? {
            Wake::Interrupted => Err(system("interrupted")),
            Wake::Ready | Wake::Timeout => Ok(()),
        }
    }

    /// Switches to the new type.
    fn forward(&mut self) -> Result<()> {
        transaction(&self.plan.pause(&self.plan.handles())).map_err(system)?;
        self.stage = Stage::Paused;
        self.held = self.plan.held(&ruleset::rules()?)?;
        self.go_on()?;
        let offloads = self.plan.flowtables.iter().any(|t| t.flowtable.offload);
        if self.from == Type::InTree && offloads {
            self.drain()?;
        }
        transaction(&self.plan.delete()).map_err(system)?;
        self.stage = Stage::Deleted;
        types::wait_users(self.from, 0, types::LONG, &mut || self.go_on())?;
        self.reset_timeouts()?;
        self.go_on()?;
        types::rmmod(self.from)?;
        self.stage = Stage::Unloaded;
        self.go_on()?;
        if self.to.users().is_none() {
            types::modprobe(self.to, &[])?;
        }
        self.go_on()?;
        let (add, resume) = (self.plan.add(), self.plan.resume(&self.held));
        transaction(&(add + &resume)).map_err(|why| {
            system(format!(
                "cannot create the flowtables with type {}: {why}",
                self.to
            ))
        })?;
        self.stage = Stage::Restored;
        self.compare()
    }

    /// Waits until the flows in hardware have ended: the in-tree type leaves their rules in the NIC
    /// when the flowtable is deleted. With a timeout of 0 a flow is no longer prolonged.
    fn drain(&mut self) -> Result<()> {
        if matches!(ruleset::in_hardware(), Ok(0)) {
            return Ok(());
        }
        let mut longest = 0;
        for path in TIMEOUTS {
            let cannot = |error: io::Error| system(format!("{path}: {error}"));
            let before = fs::read_to_string(path).map_err(cannot)?;
            longest = before.trim().parse().unwrap_or(0).max(longest);
            self.timeouts.push((path, before.trim().to_owned()));
            fs::write(path, "0").map_err(cannot)?;
        }
        // The core checks flows once a second, and the driver takes some time.
        let longest = Duration::from_secs(longest) + Duration::from_secs(5);
        say(&format!(
            "waiting for flows to leave hardware, at most {} s",
            longest.as_secs()
        ));
        let start = Instant::now();
        while start.elapsed() < longest {
            if let Wake::Interrupted = self.interrupt.wait(None, Some(Duration::from_secs(1)))? {
                return Err(system("interrupted"));
            }
            if matches!(ruleset::in_hardware(), Ok(0)) {
                return Ok(());
            }
        }
        if let Ok(rest @ 1..) = ruleset::in_hardware() {
            say(&format!(
                "{} still marked [HW_OFFLOAD]: either GRE, whose rules stay in the NIC, or \
                 offloaded by act_ct of tc",
                plural(rest as u64, "connection")
            ));
        }
        Ok(())
    }

    /// Restores the timeouts.
    fn reset_timeouts(&mut self) -> Result<()> {
        while let Some((path, value)) = self.timeouts.last() {
            fs::write(path, value)
                .map_err(|e| system(format!("cannot restore {path} to {value}: {e}")))?;
            self.timeouts.pop();
        }
        Ok(())
    }

    /// Checks that everything is restored, with the new type.
    fn compare(&self) -> Result<()> {
        let mut now = Vec::new();
        for saved in system::nft_flowtables()?.unwrap_or_default() {
            let body = list_flowtable(&saved.flowtable).map_err(system)?;
            now.push(Saved {
                flowtable: saved,
                body: body.unwrap_or_default(),
            });
        }
        let mut before = self.plan.flowtables.clone();
        for list in [&mut now, &mut before] {
            for saved in list.iter_mut() {
                saved.flowtable.devices.sort();
            }
            list.sort_by_key(|saved| saved.flowtable.flowtable.to_string());
        }
        if now != before {
            return Err(system("the flowtables differ from those before the switch"));
        }
        let mut chains: Vec<String> = self.plan.rules.iter().map(FlowRule::chain).collect();
        chains.dedup();
        let rules = ruleset::rules()?;
        let rules = ruleset::rules_of(&chains, &rules);
        let same = rules.len() == self.rules.len()
            && self.rules.iter().zip(&rules).all(|(before, now)| {
                // The rules that add flows were compared in the trial.
                match before.flowtables.is_empty() {
                    true => now.is_as(before),
                    false => now.acts_as(before),
                }
            });
        if !same {
            let text =
                "the rules differ from those before the switch, or another program has changed \
                        them";
            return Err(system(text));
        }
        let users = self.to.users().unwrap_or(0);
        if users < self.plan.flowtables.len() as u64 {
            return Err(system(format!("the flowtables do not use {}", self.to)));
        }
        Ok(())
    }

    /// Restores the old state. Signals do not interrupt it.
    fn back(&mut self) -> Result<()> {
        // nft may have been killed after it had committed.
        if self.stage == Stage::Untouched && self.plan.held(&ruleset::rules()?).is_ok() {
            self.stage = Stage::Paused;
        }
        if self.stage == Stage::Restored {
            let handles = self.plan.flowing(&ruleset::rules()?)?;
            transaction(&self.plan.pause(&handles)).map_err(system)?;
            self.held = self.plan.held(&ruleset::rules()?)?;
            transaction(&self.plan.delete()).map_err(system)?;
            self.stage = Stage::Unloaded;
        }
        // Flowtables of the wrong type are better than none.
        let modules = match self.stage {
            Stage::Unloaded => self.modules_back(),
            _ => Ok(()),
        };
        if self.stage >= Stage::Paused {
            if self.held.is_empty() {
                self.held = self.plan.held(&ruleset::rules()?)?;
            }
            let add = match self.stage {
                Stage::Paused => String::new(),
                _ => self.plan.add(),
            };
            transaction(&(add + &self.plan.resume(&self.held))).map_err(system)?;
            self.stage = Stage::Untouched;
        }
        self.reset_timeouts()?;
        modules
    }

    /// Loads the modules that were loaded before.
    fn modules_back(&self) -> Result<()> {
        types::wait_users(self.to, 0, types::LONG, &mut || Ok(()))?;
        for it in types::loaded() {
            types::rmmod(it)?;
        }
        for it in &self.loaded {
            types::modprobe(*it, &self.parameters)?;
        }
        Ok(())
    }

    /// Generates the script that restores the old state from any stage of a switch.
    fn script(&self) -> String {
        let mut text = String::from(
            "#!/bin/sh\n\
             # Restores the state before a killed 'nft-offload doctor --switch'.\n",
        );
        text += &format!("trap '[ $? -ne 0 ] || rm -r {DIRECTORY}' EXIT\n");
        text += &self.plan.find_by_shell();
        for saved in &self.plan.flowtables {
            let name = &saved.flowtable.flowtable;
            text += &format!("nft delete flowtable {name} 2>/dev/null\n");
        }
        let (ours, in_tree) = (Type::Offload, Type::InTree);
        text += "sleep 2 # the kernel frees them\n";
        text += &format!("rmmod {ours} 2>/dev/null\nrmmod {in_tree} 2>/dev/null\n");
        for it in &self.loaded {
            let arguments = types::load(*it, &self.parameters);
            let words: Vec<_> = arguments.iter().map(|a| shell_word(a)).collect();
            text += &format!("modprobe {}\n", words.join(" "));
        }
        for path in TIMEOUTS {
            if let Ok(value) = fs::read_to_string(path) {
                text += &format!("echo {} >{path}\n", value.trim());
            }
        }
        text + &self.plan.restore_by_shell() + "\n"
    }
}

/// Creates the error for another switch whose files exist.
fn under_way() -> Error {
    refused(format!(
        "another switch is in progress or was killed; if it was killed, run: sh {SCRIPT}"
    ))
}

/// Saves the whole ruleset and the script that restores the old state, readable by root only.
fn keep(script: &str) -> Result<()> {
    let text = nft(&["list", "ruleset"]).map_err(refused)?;
    match DirBuilder::new().mode(0o700).create(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(under_way()),
        Err(error) => return Err(refused(format!("cannot create {DIRECTORY}: {error}"))),
        Ok(()) => {}
    }
    // So that nft -f can load it.
    let text = format!("flush ruleset\n{text}");
    for (path, text) in [(RULESET, text.as_str()), (SCRIPT, script)] {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let written = options
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        if let Err(error) = written {
            let _ = fs::remove_dir_all(DIRECTORY);
            return Err(refused(format!("cannot write {path}: {error}")));
        }
    }
    Ok(())
}

/// Asks for confirmation on the terminal.
fn confirm(announcement: &str, interrupt: &Interrupt) -> Result<bool> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let text =
            "--switch deletes the flowtables for a moment: confirm with --yes, or run it on a \
                    terminal to be asked";
        return Err(Error::Usage(text.to_owned()));
    }
    say(announcement);
    let _ = write!(io::stderr(), "Continue? [y/N] ");
    if interrupt.wait(Some(stdin.as_fd()), None)? != Wake::Ready {
        return Ok(false);
    }
    let mut answer = String::new();
    stdin
        .read_line(&mut answer)
        .map_err(|e| system(format!("cannot read the answer: {e}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Returns a remark on the next boot.
fn note(to: Type, order: &LoadOrder) -> Option<String> {
    match (to, order) {
        (Type::InTree, LoadOrder::OffloadFirst) => Some(
            "after the next boot nft_offload is in use again: a softdep line in modprobe.d loads \
             it \
             first"
                .to_owned(),
        ),
        (Type::Offload, LoadOrder::Undecided) => Some(
            "after the next boot nf_flow_table_inet may be loaded first: run nft-offload doctor"
                .to_owned(),
        ),
        _ => None,
    }
}

/// The JSON object.
#[derive(Serialize)]
struct Content<'a> {
    active: &'a str,
    switched: bool,
    flowtables: Vec<&'a Flowtable>,
    rules: usize,
    note: Option<String>,
}

/// Runs the switch to a type, or to the one that is not in use.
pub fn run(out: &mut Output, to: Option<Type>, yes: bool) -> Result<u8> {
    if out.json && !yes {
        return Err(Error::Usage(
            "--switch with --json requires --yes".to_owned(),
        ));
    }
    let interrupt = Interrupt::on(&[SIGHUP, SIGQUIT])?;
    let Some(mut switch) = Switch::prepare(to, interrupt)? else {
        let to = to.map_or("", Type::module);
        let content = Content {
            active: to,
            switched: false,
            flowtables: Vec::new(),
            rules: 0,
            note: None,
        };
        out.either(content, |_| {
            format!("{to} is the active type: nothing to switch\n")
        })?;
        return Ok(0);
    };
    if !yes {
        if !confirm(&switch.announcement(), &switch.interrupt)? {
            say("nothing was changed");
            return Ok(0);
        }
        // The ruleset may have changed before the answer.
        switch = Switch::prepare(Some(switch.to), switch.interrupt)?
            .ok_or_else(|| refused("the other type has come into use meanwhile"))?;
    }
    switch.go_on().map_err(refused)?;
    keep(&switch.script())?;
    if let Err(why) = switch.forward() {
        let end = match switch.back() {
            Ok(()) => {
                let _ = fs::remove_dir_all(DIRECTORY);
                format!("{why}; the old state is restored")
            }
            Err(then) => format!(
                "{why}; the old state could not be restored: {then}; to restore it run: sh \
                 {SCRIPT}; the whole ruleset is saved in {RULESET}"
            ),
        };
        return Err(system(end));
    }
    let _ = fs::remove_dir_all(DIRECTORY);
    let note = note(switch.to, &modprobe::load_order());
    let tables = switch.plan.flowtables.iter();
    let content = Content {
        active: switch.to.module(),
        switched: true,
        flowtables: tables.map(|t| &t.flowtable.flowtable).collect(),
        rules: switch.plan.rules.len(),
        note,
    };
    out.either(&content, |_| {
        let mut text = format!(
            "{} has taken over from {}: {}, {}\n",
            switch.to,
            switch.from,
            plural(content.flowtables.len() as u64, "flowtable"),
            plural(content.rules as u64, "rule")
        );
        if let Some(note) = &content.note {
            text += note;
            text.push('\n');
        }
        text
    })?;
    Ok(0)
}
