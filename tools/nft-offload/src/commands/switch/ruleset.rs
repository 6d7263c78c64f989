// SPDX-License-Identifier: GPL-2.0

//! The part of the ruleset that a switch changes, and its text in the language of nft.
//!
//! The ruleset is read by netlink, as the JSON of nft is incomplete: nft 1.0.6 leaves out the flags
//! of flowtables. It is changed only by nft, with the text that nft itself lists.

use crate::{
    netlink::{
        client::{Client, Error, Result},
        wire::{Attribute, Attributes, Request},
    },
    system::NftFlowtable,
    text::shell_word,
};
use std::{collections::BTreeMap, fmt::Write};

/// `NETLINK_NETFILTER`
const NETLINK_NETFILTER: isize = 12;
/// The chain in which rules are tried; nothing jumps to it.
pub const TRIAL: &str = "nft-offload-switch";
/// `NFT_TABLE_F_OWNER`
const OWNER: u32 = 2;

/// The expressions that load and compare. The text of a rule shows what they match.
const MATCHING: [&str; 7] = [
    "bitwise",
    "byteorder",
    "cmp",
    "lookup",
    "meta",
    "payload",
    "range",
];

/// A table, as commands of nft name it: `inet router`.
pub type Table = String;

/// Returns the name of a family in nft.
fn family(number: u8) -> &'static str {
    match number {
        1 => "inet",
        2 => "ip",
        3 => "arp",
        5 => "netdev",
        7 => "bridge",
        10 => "ip6",
        _ => "unknown",
    }
}

/// Returns whether nft accepts a name: netlink accepts others as well.
pub fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '\\'))
}

/// An expression of a rule, without the state that changes while the rule is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// Its name: `lookup`.
    name: String,
    /// Its attributes.
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Expression {
    /// Reads the attributes of an expression.
    fn read(all: Attributes<'_>) -> Option<Self> {
        // NFTA_EXPR_NAME, NFTA_EXPR_DATA
        let name = all.find(1)?.string();
        let data = all.find(2).map(Attribute::nested);
        let attributes = match name.as_str() {
            // Their attributes are state.
            "counter" | "quota" | "last" => Vec::new(),
            _ => data.into_iter().flatten().map(attribute).collect(),
        };
        Some(Self { name, attributes })
    }
}

/// Returns an attribute without the number of an anonymous set, which differs between two rules of
/// the same text.
fn attribute(of: Attribute<'_>) -> (u16, Vec<u8>) {
    for kind in [b"__set".as_slice(), b"__map"] {
        if of.bytes.starts_with(kind) {
            return (of.number, kind.to_vec());
        }
    }
    (of.number, of.bytes.to_vec())
}

/// A rule of nf_tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its table.
    pub table: Table,
    /// Its chain.
    pub chain: String,
    /// Its handle in the table, which changes when the rule is replaced.
    pub handle: u64,
    /// Its expressions.
    pub expressions: Vec<Expression>,
    /// Its user data, which includes the comment.
    pub userdata: Vec<u8>,
    /// The flowtables to which it adds flows.
    pub flowtables: Vec<String>,
}

impl Rule {
    /// Reads the body of `NFT_MSG_NEWRULE`.
    pub fn read(body: &[u8]) -> Option<Self> {
        // struct nfgenmsg
        let number = *body.first()?;
        let all = Attributes::behind(4, body);
        // NFTA_RULE_TABLE, _CHAIN, _HANDLE, _EXPRESSIONS, _USERDATA
        let handle = all.find(3)?.bytes.first_chunk()?;
        let list = || all.find(4).map(Attribute::nested).into_iter().flatten();
        let flowtable = |of: Attribute<'_>| {
            let is_flow = of.nested().find(1)?.string() == "flow_offload";
            // NFTA_FLOW_TABLE_NAME
            let name = of.nested().find(2)?.nested().find(1)?.string();
            is_flow.then_some(name)
        };
        Some(Self {
            table: format!("{} {}", family(number), all.find(1)?.string()),
            chain: all.find(2)?.string(),
            handle: u64::from_be_bytes(*handle),
            expressions: list()
                .filter_map(|a| Expression::read(a.nested()))
                .collect(),
            userdata: all.find(7).map_or(Vec::new(), |a| a.bytes.to_vec()),
            flowtables: list().filter_map(flowtable).collect(),
        })
    }

    /// Returns whether two rules are equal, apart from handles, chains and counters.
    pub fn is_as(&self, other: &Self) -> bool {
        (&self.expressions, &self.userdata) == (&other.expressions, &other.userdata)
    }

    /// Returns whether two rules have the same actions. Their matches may differ: nft may express a
    /// match in another way (`meta l4proto` for `ip protocol`).
    pub fn acts_as(&self, other: &Self) -> bool {
        fn actions(rule: &Rule) -> impl Iterator<Item = &Expression> {
            let matches = |e: &&Expression| MATCHING.contains(&e.name.as_str());
            rule.expressions.iter().filter(move |e| !matches(e))
        }
        actions(self).eq(actions(other)) && self.userdata == other.userdata
    }

    /// Returns whether the rule has this comment.
    fn has_comment(&self, comment: &str) -> bool {
        // A byte for the type, which is 0, a byte for the length, and the text with a zero.
        let text = self.userdata.get(2..).unwrap_or_default();
        self.userdata.first() == Some(&0) && text.strip_prefix(comment.as_bytes()) == Some(b"\0")
    }
}

/// Lists all rules, those of a chain in order.
pub fn rules() -> Result<Vec<Rule>> {
    // NFNL_SUBSYS_NFTABLES, NFT_MSG_GETRULE, struct nfgenmsg
    let mut request = Request::new((10 << 8) | 7, &[0; 4]);
    Client::new(NETLINK_NETFILTER)?.dump(&mut request, Rule::read)
}

/// Reads a table from the body of `NFT_MSG_NEWTABLE`, if only the program that owns it may change
/// it.
pub fn owned(body: &[u8]) -> Option<Table> {
    let number = *body.first()?;
    let all = Attributes::behind(4, body);
    // NFTA_TABLE_NAME, NFTA_TABLE_FLAGS
    let flags = all.find(2)?.be32()?;
    let name = all.find(1)?.string();
    (flags & OWNER != 0).then(|| format!("{} {name}", family(number)))
}

/// Lists the tables that only the program that owns them may change.
pub fn owned_tables() -> Result<Vec<Table>> {
    // NFT_MSG_GETTABLE
    let mut request = Request::new((10 << 8) | 1, &[0; 4]);
    Client::new(NETLINK_NETFILTER)?.dump(&mut request, owned)
}

/// Counts the connections that conntrack marks as offloaded to hardware.
pub fn in_hardware() -> Result<usize> {
    // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, struct nfgenmsg
    let mut request = Request::new((1 << 8) | 1, &[0; 4]);
    let marked = |body: &[u8]| {
        // CTA_STATUS, IPS_HW_OFFLOAD
        let status = Attributes::behind(4, body).find(3)?.be32()?;
        (status & (1 << 15) != 0).then_some(())
    };
    let all = Client::new(NETLINK_NETFILTER)?.dump(&mut request, marked)?;
    Ok(all.len())
}

/// Reads the rules of a listing with handles (`nft -a list chain`), by handle.
pub fn texts(listing: &str) -> BTreeMap<u64, String> {
    let rule = |line: &str| {
        let (text, handle) = line.strip_prefix("\t\t")?.rsplit_once(" # handle ")?;
        Some((handle.parse().ok()?, text.to_owned()))
    };
    listing.lines().filter_map(rule).collect()
}

/// Extracts the body of a flowtable from a listing.
pub fn flowtable_body(listing: &str) -> Option<String> {
    let (_, rest) = listing.split_once("\tflowtable ")?;
    let (_, rest) = rest.split_once("{\n")?;
    let (body, _) = rest.split_once("\n\t}")?;
    let lines: Vec<_> = body.lines().map(str::trim).collect();
    Some(lines.join("\n"))
}

/// Returns the part of a rule before it adds a flow.
pub fn before_flow(text: &str) -> Option<&str> {
    let mut quoted = false;
    let mut last = ' ';
    for (at, c) in text.char_indices() {
        let rest = text.get(at..)?;
        if !quoted && last == ' ' && rest.starts_with("flow add @") {
            return Some(text.get(..at)?.trim_end());
        }
        quoted ^= c == '"';
        last = c;
    }
    None
}

/// A rule that adds flows, with the text that restores it.
#[derive(Debug, Clone)]
pub struct FlowRule {
    /// The rule in the kernel.
    pub rule: Rule,
    /// The text listed by nft.
    pub text: String,
}

impl FlowRule {
    /// Returns the name of its chain: `inet router forward`.
    pub fn chain(&self) -> String {
        format!("{} {}", self.rule.table, self.rule.chain)
    }

    /// Returns the comment of its placeholder.
    fn mark(&self) -> String {
        format!("nft-offload-switch:{}", self.rule.handle)
    }

    /// Returns the text of its placeholder, which adds no flow. The rest of the rule can be left
    /// out: `flow add` ends a rule for packets whose flow is not added.
    fn placeholder(&self) -> String {
        let before = match before_flow(&self.text) {
            None | Some("") => "continue",
            Some(before) => before,
        };
        format!("{before} comment \"{}\"", self.mark())
    }
}

/// A flowtable, with the text that restores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The flowtable in the kernel.
    pub flowtable: NftFlowtable,
    /// The body listed by nft.
    pub body: String,
}

/// The part of the ruleset that a switch removes and restores. Everything else is untouched.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The flowtables.
    pub flowtables: Vec<Saved>,
    /// The rules that add flows to them.
    pub rules: Vec<FlowRule>,
}

impl Plan {
    /// Returns the transaction that replaces the rules with these handles by placeholders.
    pub fn pause(&self, handles: &[u64]) -> String {
        self.replace(handles, FlowRule::placeholder)
    }

    /// Returns the transaction that replaces the placeholders with these handles by the rules.
    pub fn resume(&self, handles: &[u64]) -> String {
        self.replace(handles, |rule| rule.text.clone())
    }

    /// Returns a transaction that adds each new rule behind the old one and deletes that: nft 1.0.6
    /// aborts on `replace rule` with an anonymous set that has ranges.
    fn replace(&self, handles: &[u64], text: impl Fn(&FlowRule) -> String) -> String {
        let mut out = String::new();
        for (rule, handle) in self.rules.iter().zip(handles) {
            let chain = rule.chain();
            let _ = writeln!(out, "add rule {chain} handle {handle} {}", text(rule));
            let _ = writeln!(out, "delete rule {chain} handle {handle}");
        }
        out
    }

    /// Returns the transaction that deletes the flowtables.
    pub fn delete(&self) -> String {
        let mut out = String::new();
        for saved in &self.flowtables {
            let _ = writeln!(out, "delete flowtable {}", saved.flowtable.flowtable);
        }
        out
    }

    /// Returns the transaction that restores the flowtables.
    pub fn add(&self) -> String {
        let mut out = String::new();
        for saved in &self.flowtables {
            let name = &saved.flowtable.flowtable;
            let _ = writeln!(out, "add flowtable {name} {{\n{}\n}}", saved.body);
        }
        out
    }

    /// Returns a shell function that finds a placeholder, and a check that there is one, without
    /// which nothing is to be restored.
    pub fn find_by_shell(&self) -> String {
        let mut out = String::from(
            "held() {\n\
             \tnft -a list chain $1 | sed -n \"s/.* comment \\\"$2\\\" # handle //p\"\n\
             }\n",
        );
        if let Some(rule) = self.rules.first() {
            let words = [rule.chain(), rule.mark()].map(|w| shell_word(&w));
            let _ = writeln!(
                out,
                "if [ -z \"$(held {})\" ]; then\n\
                 \techo 'nothing is missing: run nft-offload doctor'\n\
                 \texit\n\
                 fi",
                words.join(" ")
            );
        }
        out
    }

    /// Returns the shell commands that restore flowtables and rules.
    pub fn restore_by_shell(&self) -> String {
        let mut out = String::from(
            "at() {\n\
             \thandle=$(held \"$1\" \"$2\")\n\
             \t[ -z \"$handle\" ] || printf '%s\\n' \"add rule $1 handle $handle $3\" \
             \"delete rule $1 handle $handle\"\n\
             }\n{\n",
        );
        for line in self.add().lines() {
            let _ = writeln!(out, "printf '%s\\n' {}", shell_word(line));
        }
        for rule in &self.rules {
            let words = [rule.chain(), rule.mark(), rule.text.clone()].map(|w| shell_word(&w));
            let _ = writeln!(out, "at {}", words.join(" "));
        }
        out + "} | nft -f -"
    }

    /// Returns the handles of the original rules.
    pub fn handles(&self) -> Vec<u64> {
        self.rules.iter().map(|r| r.rule.handle).collect()
    }

    /// Returns the handles of the placeholders, in the order of the rules.
    pub fn held(&self, now: &[Rule]) -> Result<Vec<u64>> {
        let find = |rule: &FlowRule| {
            let mark = rule.mark();
            let mut found = now.iter().filter(|r| {
                r.table == rule.rule.table && r.chain == rule.rule.chain && r.has_comment(&mark)
            });
            found.next().map(|r| r.handle).ok_or_else(|| {
                Error::System(format!(
                    "chain {}: a rule has disappeared: does another program change the ruleset?",
                    rule.chain()
                ))
            })
        };
        self.rules.iter().map(find).collect()
    }

    /// Returns the handles of the rules that now add flows, in the order of the rules.
    pub fn flowing(&self, now: &[Rule]) -> Result<Vec<u64>> {
        let flowing: Vec<_> = now.iter().filter(|r| !r.flowtables.is_empty()).collect();
        let same = |(ours, now): (&FlowRule, &&Rule)| {
            (&ours.rule.table, &ours.rule.chain) == (&now.table, &now.chain)
        };
        if flowing.len() != self.rules.len() || !self.rules.iter().zip(&flowing).all(same) {
            let text = "the rules that add flows have changed: does another program change them?";
            return Err(Error::System(text.to_owned()));
        }
        Ok(flowing.iter().map(|r| r.handle).collect())
    }

    /// Returns the transactions that try the rules in a chain that nothing jumps to, and delete it.
    pub fn trial(&self) -> (String, String) {
        let (mut try_them, mut clean) = (String::new(), String::new());
        let mut tables: Vec<&Table> = self.rules.iter().map(|r| &r.rule.table).collect();
        tables.dedup();
        for table in tables {
            let _ = writeln!(try_them, "add chain {table} {TRIAL}");
            let _ = writeln!(try_them, "flush chain {table} {TRIAL}");
            clean += &remove_trial(table);
        }
        for rule in &self.rules {
            let _ = writeln!(
                try_them,
                "add rule {} {TRIAL} {}",
                rule.rule.table, rule.text
            );
        }
        (try_them, clean)
    }
}

/// Returns the transaction that deletes the chain of a trial.
pub fn remove_trial(table: &str) -> String {
    format!("flush chain {table} {TRIAL}\ndelete chain {table} {TRIAL}\n")
}

/// Selects the rules of these chains (`inet router forward`), in order.
pub fn rules_of<'a>(chains: &[String], all: &'a [Rule]) -> Vec<&'a Rule> {
    let inside = |r: &&Rule| {
        chains
            .iter()
            .any(|c| *c == format!("{} {}", r.table, r.chain))
    };
    all.iter().filter(inside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "table inet t { # handle 3
	chain forward { # handle 2
		type filter hook forward priority filter; policy drop;
		ct state invalid drop comment \"flow add @ft # handle 1\" # handle 7
		meta l4proto { tcp, udp } counter packets 1 bytes 9 flow add @ft accept # handle 9
		flow add @ft # handle 12
	}
}
";

    #[test]
    fn rules_of_a_listing() {
        let texts = texts(LISTING);
        assert_eq!(texts.keys().copied().collect::<Vec<_>>(), [7, 9, 12]);
        assert_eq!(
            texts[&7],
            "ct state invalid drop comment \"flow add @ft # handle 1\""
        );
        assert_eq!(texts[&12], "flow add @ft");
    }

    #[test]
    fn the_part_before_flow_add_is_found() {
        let before = |text| before_flow(text);
        assert_eq!(before("flow add @ft"), Some(""));
        assert_eq!(
            before("meta l4proto tcp counter packets 1 bytes 9 flow add @ft accept"),
            Some("meta l4proto tcp counter packets 1 bytes 9")
        );
        assert_eq!(
            before("log prefix \"a flow add @x \" flow add @ft comment \"y\""),
            Some("log prefix \"a flow add @x \"")
        );
        assert_eq!(before("accept comment \"flow add @ft\""), None);
        assert_eq!(before("accept comment \" flow add @ft\""), None);
    }

    #[test]
    fn a_flowtable_of_a_listing() {
        let listing = "table inet t {
	flowtable ft {
		hook ingress priority filter + 5
		devices = { lan,
			    wan }
		flags offload
		counter
	}
}
";
        assert_eq!(
            flowtable_body(listing).as_deref(),
            Some(
                "hook ingress priority filter + 5\ndevices = { lan,\nwan }\nflags offload\ncounter"
            )
        );
        assert_eq!(flowtable_body("table inet t {\n}\n"), None);
    }

    #[test]
    fn names_that_nft_takes() {
        for name in ["t", "ft_1", "a-b.c/d"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "1t", "a b", "a;b", "a\nb", "ä"] {
            assert!(!is_name(name), "{name}");
        }
    }

    /// An attribute of these bytes.
    fn attribute(number: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
        bytes.extend(number.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn expression(name: &[u8], data: &[u8]) -> Vec<u8> {
        attribute(1, &[attribute(1, name), attribute(2, data)].concat())
    }

    /// A rule of this handle, with these expressions and this comment.
    fn rule(handle: u64, expressions: &[Vec<u8>], comment: &[u8]) -> Rule {
        let userdata = [&[0, comment.len() as u8], comment].concat();
        let body = [
            vec![1, 0, 0, 0],
            attribute(1, b"t\0"),
            attribute(2, b"forward\0"),
            attribute(3, &handle.to_be_bytes()),
            attribute(4, &expressions.concat()),
            attribute(7, &userdata),
        ];
        Rule::read(&body.concat()).unwrap()
    }

    fn lookup(set: &[u8]) -> Vec<u8> {
        expression(b"lookup\0", &attribute(1, set))
    }

    fn flow() -> Vec<u8> {
        expression(b"flow_offload\0", &attribute(1, b"ft\0"))
    }

    #[test]
    fn rules_do_the_same() {
        let count = |n: u64| expression(b"counter\0", &attribute(1, &n.to_be_bytes()));
        let one = rule(9, &[lookup(b"__set0\0"), count(1), flow()], b"x\0");
        assert_eq!((one.table.as_str(), one.handle), ("inet t", 9));
        assert_eq!(one.flowtables, ["ft"]);
        assert!(one.has_comment("x") && !one.has_comment("") && !one.has_comment("xy"));
        let same = rule(23, &[lookup(b"__set12\0"), count(7), flow()], b"x\0");
        assert!(one.is_as(&same) && one.acts_as(&same));
        for other in [
            rule(9, &[lookup(b"set\0"), count(1), flow()], b"x\0"),
            rule(9, &[lookup(b"__map0\0"), count(1), flow()], b"x\0"),
            rule(9, &[count(1), flow()], b"x\0"),
        ] {
            assert!(!one.is_as(&other) && one.acts_as(&other), "{other:?}");
        }
        for other in [
            rule(9, &[lookup(b"__set0\0"), flow()], b"x\0"),
            rule(9, &[lookup(b"__set0\0"), flow(), count(1)], b"x\0"),
            rule(9, &[lookup(b"__set0\0"), count(1), flow()], b"y\0"),
        ] {
            assert!(!one.is_as(&other) && !one.acts_as(&other), "{other:?}");
        }
    }

    #[test]
    fn transactions() {
        let flow_rule = |handle, text: &str| FlowRule {
            rule: rule(handle, &[flow()], b"x\0"),
            text: text.to_owned(),
        };
        let plan = Plan {
            flowtables: Vec::new(),
            rules: vec![
                flow_rule(9, "tcp dport 22 flow add @ft accept"),
                flow_rule(12, "flow add @ft"),
            ],
        };
        assert_eq!(
            plan.pause(&plan.handles()),
            "add rule inet t forward handle 9 tcp dport 22 comment \"nft-offload-switch:9\"\n\
             delete rule inet t forward handle 9\n\
             add rule inet t forward handle 12 continue comment \"nft-offload-switch:12\"\n\
             delete rule inet t forward handle 12\n"
        );
        let held = [
            rule(30, &[], b"nft-offload-switch:12\0"),
            rule(31, &[], b"nft-offload-switch:9\0"),
        ];
        let handles = plan.held(&held).unwrap();
        assert_eq!(handles, [31, 30]);
        assert!(plan.held(&held[..1]).is_err());
        assert_eq!(
            plan.resume(&handles),
            "add rule inet t forward handle 31 tcp dport 22 flow add @ft accept\n\
             delete rule inet t forward handle 31\n\
             add rule inet t forward handle 30 flow add @ft\n\
             delete rule inet t forward handle 30\n"
        );
        let now = [
            rule(40, &[flow()], b"\0"),
            rule(41, &[], b"\0"),
            rule(42, &[flow()], b"\0"),
        ];
        assert_eq!(plan.flowing(&now).unwrap(), [40, 42]);
        assert!(plan.flowing(&now[..2]).is_err());
    }
}
