// SPDX-License-Identifier: GPL-2.0

//! Tests with recorded machines (`tests/data/machines`: the files below `/`, `network.json` for the
//! answers of netlink, and `expected.txt`), and of single decisions. `BLESS=1 cargo test` writes
//! `expected.txt` again.

use super::{
    drivers::{self, Takes},
    facts::Config,
    *,
};
use crate::modprobe::Line;
use std::{env, fs, path::PathBuf};

const TERMINAL: Style = Style {
    width: Some(80),
    bold: false,
};

fn directory(name: &str) -> PathBuf {
    let crate_directory = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    crate_directory.join("tests/data/machines").join(name)
}

fn machine(name: &str) -> Facts {
    let directory = directory(name);
    let network = fs::read_to_string(directory.join("network.json")).unwrap();
    let network: Network = serde_json::from_str(&network).unwrap();
    Facts {
        kernel: Machine::at(directory).kernel(&network),
        network,
        loaded: None,
    }
}

/// Returns the facts of a machine, changed.
fn changed(name: &str, change: impl FnOnce(&mut Facts)) -> Report {
    let mut facts = machine(name);
    change(&mut facts);
    assess(&facts)
}

fn interface<'a>(facts: &'a mut Facts, name: &str) -> &'a mut Interface {
    let mut all = facts.network.interfaces.iter_mut();
    all.find(|i| i.name == name).unwrap()
}

fn device<'a>(report: &'a Report, name: &str) -> &'a DeviceReport {
    report.devices.iter().find(|d| d.name == name).unwrap()
}

fn ids(findings: &[Finding]) -> Vec<&'static str> {
    let serious = findings.iter().filter(|f| f.severity != Severity::Ok);
    serious.map(|f| f.id).collect()
}

/// Changes the configuration of the kernel: each option as `NAME=y`, `NAME=m` or `NAME=`.
fn reconfigure(facts: &mut Facts, lines: &[&str]) {
    let text: String = lines.iter().map(|l| format!("CONFIG_{l}\n")).collect();
    facts.kernel.config = Config::read("/boot/config", &text);
}

const GOOD: [&str; 5] = [
    "MODULES=y",
    "RUST=y",
    "NF_TABLES=m",
    "NF_FLOW_TABLE=m",
    "NFT_FLOW_OFFLOAD=m",
];

fn is_as_recorded(name: &str, verdict: Verdict) {
    let report = assess(&machine(name));
    let text = render(&report, TERMINAL);
    for line in text.lines().filter(|line| !line.contains("$ ")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let file = directory(name).join("expected.txt");
    if env::var_os("BLESS").is_some() {
        fs::write(&file, &text).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap();
    assert_eq!(text, expected, "{name}:\n{text}");
    assert_eq!(report.verdict, verdict);
}

#[test]
fn a_router_with_mtk() {
    is_as_recorded("router-mtk", Verdict::Partly);
}

#[test]
fn a_router_with_mlx5_in_legacy_mode() {
    is_as_recorded("router-mlx5-legacy", Verdict::Partly);
}

#[test]
fn a_router_with_mlx5_in_switchdev_mode() {
    is_as_recorded("router-mlx5-switchdev", Verdict::Partly);
}

#[test]
fn a_router_with_mlx5_and_the_kernel_of_debian() {
    is_as_recorded("router-mlx5-debian", Verdict::No);
}

/// The representors of EF100 have no parent device.
#[test]
fn a_router_with_ef100() {
    is_as_recorded("router-sfc", Verdict::Partly);
}

#[test]
fn a_vm_in_the_cloud() {
    is_as_recorded("cloud-vm", Verdict::No);
}

#[test]
fn a_laptop() {
    is_as_recorded("laptop", Verdict::No);
}

#[test]
fn a_vm_without_modules() {
    is_as_recorded("small-vm", Verdict::No);
}

#[test]
fn a_machine_without_files_is_not_an_error() {
    let facts = Facts {
        kernel: Machine::at("/nonexistent").kernel(&Network::default()),
        ..Facts::default()
    };
    let report = assess(&facts);
    assert_eq!(report.verdict, Verdict::No);
    assert_eq!(
        ids(&report.kernel.findings),
        ["kernel", "no-config", "modules-unseen"]
    );
    assert!(
        render(&report, TERMINAL).ends_with("No: no network device of this machine takes rules.\n")
    );
}

#[test]
fn versions() {
    assert_eq!(version("7.3.4+deb13-amd64"), Some((7, 3)));
    assert_eq!(version("7.10-rc2"), Some((7, 10)));
    assert_eq!(version("x"), None);
    let kernel = |release: &str| {
        let report = changed("router-mtk", |facts| {
            facts.kernel.release = release.to_owned()
        });
        (
            ids(&report.kernel.findings).first().copied(),
            report.verdict,
        )
    };
    assert_eq!(kernel("7.2.0").0, None);
    assert_eq!(kernel("7.1.9"), (Some("too-old"), Verdict::No));
    assert_eq!(kernel("6.12.94"), (Some("too-old"), Verdict::No));
    assert_eq!(kernel("7.4.0"), (Some("untested"), Verdict::Partly));
    assert_eq!(kernel("7.10.0").0, Some("untested"));
}

#[test]
fn missing_options_of_the_kernel_are_named() {
    let without = |left_out: &str| {
        let report = changed("router-mtk", |facts| {
            facts
                .kernel
                .installed
                .as_mut()
                .unwrap()
                .remove("nft_offload");
            let lines = GOOD.iter().filter(|l| !l.starts_with(left_out));
            reconfigure(facts, &lines.copied().collect::<Vec<_>>());
        });
        (ids(&report.kernel.findings), report.verdict)
    };
    assert_eq!(without("nothing"), (vec!["not-installed"], Verdict::Partly));
    assert_eq!(without("MODULES"), (vec!["no-modules"], Verdict::No));
    assert_eq!(without("RUST"), (vec!["no-rust"], Verdict::No));
    assert_eq!(without("NF_TABLES"), (vec!["no-flowtables"], Verdict::No));
    assert_eq!(without("NF_FLOW"), (vec!["no-flowtables"], Verdict::No));
    assert_eq!(without("NFT_FLOW"), (vec!["no-flowtables"], Verdict::No));
}

#[test]
fn versions_of_symbols_matter_for_building_only() {
    let mut with = GOOD.to_vec();
    with.push("MODVERSIONS=y");
    let report = changed("router-mtk", |facts| reconfigure(facts, &with));
    assert!(ids(&report.kernel.findings).is_empty());
    let report = changed("router-mtk", |facts| {
        reconfigure(facts, &with);
        facts
            .kernel
            .installed
            .as_mut()
            .unwrap()
            .remove("nft_offload");
    });
    assert_eq!(
        ids(&report.kernel.findings),
        ["modversions", "not-installed"]
    );
}

#[test]
fn the_state_of_the_module_is_found() {
    let module = |change: &dyn Fn(&mut Facts)| {
        let report = changed("router-mtk", change);
        (report.kernel.module, report.kernel.state)
    };
    let name = || "nft_offload".to_owned();
    assert_eq!(module(&|_| ()), (Some("installed"), State::Ready));
    assert_eq!(
        module(&|f| {
            f.kernel.loaded.insert(name());
        }),
        (Some("loaded"), State::Ready)
    );
    assert_eq!(
        module(&|f| {
            f.kernel.built_in.insert(name());
        }),
        (Some("built-in"), State::Ready)
    );
    assert_eq!(
        module(&|f| f.loaded = Some(Vec::new())),
        (Some("loaded"), State::Ready)
    );
    assert_eq!(
        module(&|f| {
            f.kernel.installed.as_mut().unwrap().remove("nft_offload");
        }),
        (Some("missing"), State::Mend)
    );
    assert_eq!(module(&|f| f.kernel.installed = None), (None, State::Ready));
}

#[test]
fn modules_that_are_in_another_package() {
    let report = changed("router-mtk", |facts| {
        facts
            .kernel
            .installed
            .as_mut()
            .unwrap()
            .remove("nf_flow_table");
    });
    assert_eq!(ids(&report.kernel.findings), ["parts-missing"]);
    assert_eq!(report.verdict, Verdict::Partly);
    let report = changed("router-mtk", |facts| {
        facts
            .kernel
            .installed
            .as_mut()
            .unwrap()
            .remove("nf_flow_table");
        facts.kernel.built_in.insert("nf_flow_table".to_owned());
    });
    assert!(ids(&report.kernel.findings).is_empty());
}

#[test]
fn signatures() {
    let case = |lockdown: Option<&str>, enforced, secure_boot, signed| {
        let report = changed("router-mtk", |facts| {
            let kernel = &mut facts.kernel;
            kernel.lockdown = lockdown.map(str::to_owned);
            kernel.enforces_signatures = enforced;
            kernel.secure_boot = secure_boot;
            kernel.signed = signed;
        });
        let findings = report.kernel.findings;
        (ids(&findings), report.kernel.state)
    };
    let nothing = (vec![], State::Ready);
    assert_eq!(case(Some("none"), false, Some(true), None), nothing);
    assert_eq!(case(Some("none"), false, Some(false), Some(false)), nothing);
    assert_eq!(case(None, false, None, None), nothing);
    let unsigned = (vec!["unsigned"], State::Mend);
    assert_eq!(case(Some("integrity"), false, None, Some(false)), unsigned);
    assert_eq!(case(Some("none"), true, None, Some(false)), unsigned);
    let ask = (vec!["signature"], State::Ready);
    assert_eq!(case(Some("confidentiality"), false, None, Some(true)), ask);
    assert_eq!(case(None, true, Some(true), None), ask);
    assert_eq!(
        case(None, false, Some(true), None),
        (vec!["lockdown-unseen"], State::Ready)
    );
    // A loaded module was accepted.
    let report = changed("router-mtk", |facts| {
        facts.loaded = Some(Vec::new());
        facts.kernel.lockdown = Some("integrity".to_owned());
    });
    assert!(ids(&report.kernel.findings).is_empty());
}

#[test]
fn signatures_are_read() {
    let root = env::temp_dir().join(format!("nft-offload-support.{}", std::process::id()));
    let modules = root.join("lib/modules/7.3.4/updates");
    fs::create_dir_all(&modules).unwrap();
    fs::create_dir_all(root.join("proc/sys/kernel")).unwrap();
    fs::write(root.join("proc/sys/kernel/osrelease"), "7.3.4\n").unwrap();
    fs::write(
        root.join("lib/modules/7.3.4/modules.dep"),
        "updates/nft_offload.ko:\n",
    )
    .unwrap();
    let signed = |file: &[u8]| {
        fs::write(modules.join("nft_offload.ko"), file).unwrap();
        Machine::at(&root).kernel(&Network::default()).signed
    };
    assert_eq!(signed(b"ELF~Module signature appended~\n"), Some(true));
    assert_eq!(signed(b"ELF"), Some(false));
    let parameters = root.join("sys/module/module/parameters");
    fs::create_dir_all(&parameters).unwrap();
    for (word, enforced) in [("Y\n", true), ("N\n", false)] {
        fs::write(parameters.join("sig_enforce"), word).unwrap();
        let kernel = Machine::at(&root).kernel(&Network::default());
        assert_eq!(kernel.enforces_signatures, enforced);
    }
    fs::remove_dir_all(&root).unwrap();
}

#[test]
fn a_feature_that_is_off() {
    // The feature of the conduit counts, not that of the port.
    let report = changed("router-mtk", |facts| {
        interface(facts, "lan0").tc_offload = Some(HwTcOffload::Off);
    });
    assert_eq!(device(&report, "lan0").state, State::Ready);
    let report = changed("router-mtk", |facts| {
        interface(facts, "eth0").tc_offload = Some(HwTcOffload::Off);
    });
    let lan = device(&report, "lan0");
    assert_eq!(lan.state, State::Mend);
    assert_eq!(ids(&lan.findings), ["hw-tc-offload-off"]);
    assert_eq!(
        lan.findings[0].fix.as_deref(),
        Some("ethtool -K eth0 hw-tc-offload on")
    );
    assert_eq!(device(&report, "eth1").state, State::Ready);
}

#[test]
fn hardware_of_mtk_without_an_engine() {
    let report = changed("router-mtk", |facts| {
        let parent = interface(facts, "eth0").parent.clone().unwrap();
        let hardware = facts.kernel.hardware.get_mut(&parent).unwrap();
        hardware.compatible = vec!["mediatek,mt7629-eth".to_owned()];
    });
    assert_eq!(device(&report, "wan").way, Way::None);
    assert_eq!(report.verdict, Verdict::No);
}

#[test]
fn a_switch_with_another_tagging() {
    let report = changed("router-mtk", |facts| {
        facts
            .kernel
            .tagging
            .insert("eth0".to_owned(), "qca".to_owned());
    });
    assert_eq!(ids(&device(&report, "wan").findings), ["tagging"]);
    assert_eq!(device(&report, "eth1").state, State::Ready);
    assert_eq!(report.verdict, Verdict::Partly);
}

#[test]
fn the_mode_of_a_switch_in_a_card() {
    let uplink = |machine: &str, eswitch| {
        let report = changed(machine, |facts| {
            for it in &mut facts.network.interfaces {
                it.eswitch = eswitch;
            }
        });
        let it = device(&report, "enp1s0f0np0");
        (it.way, it.state, ids(&it.findings))
    };
    let (legacy, switchdev) = ("router-mlx5-legacy", "router-mlx5-switchdev");
    assert_eq!(
        uplink(legacy, Eswitch::Legacy),
        (Way::Block, State::Mend, vec!["legacy", "block-not-allowed"])
    );
    assert_eq!(
        uplink(switchdev, Eswitch::Switchdev),
        (Way::Block, State::Mend, vec!["block-not-allowed"])
    );
    // Without root, only representors reveal the mode.
    assert_eq!(
        uplink(switchdev, Eswitch::Hidden),
        (Way::Block, State::Mend, vec!["block-not-allowed"])
    );
    assert_eq!(uplink(legacy, Eswitch::Hidden).2[0], "not-root");
    assert_eq!(
        uplink(legacy, Eswitch::None),
        (Way::None, State::Never, vec![])
    );
}

// --- tc blocks ---

const UPLINKS: [&str; 2] = ["enp1s0f0np0", "enp1s0f1np1"];
const LASTING: &str = "echo 'options nft_offload block=enp1s0f0np0,enp1s0f1np1' > \
                       /etc/modprobe.d/nft-offload-block.conf";

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Sets the blocks of modprobe.d, in this line of a file.
fn next(file: &str, text: &str, devices: &[&str]) -> Option<(Line, Vec<String>)> {
    let line = Line {
        file: file.to_owned(),
        number: 2,
        text: text.to_owned(),
    };
    Some((line, names(devices)))
}

/// Returns what nft_offload reports about a device whose block is allowed, or not.
fn in_flowtable(ifindex: u32, block: bool) -> Reported {
    Reported {
        ifindex,
        takes_rules: block,
        bound: if block { "block" } else { "software" }.to_owned(),
        profile: "mlx5".to_owned(),
        block,
        needs_block: !block,
        reason: (!block).then(|| "not-bound".to_owned()),
        error: (!block).then(|| "EOPNOTSUPP".to_owned()),
        holds: None,
    }
}

/// The fix and the advice of a finding.
type Mending = Option<(Option<String>, Option<String>)>;

/// Returns the state, the fix and the advice of each uplink, which has no other finding.
fn uplinks(change: impl FnOnce(&mut Facts)) -> Vec<(State, Mending)> {
    let report = changed("router-mlx5-switchdev", |facts| {
        facts.kernel.blocks = facts::Blocks::default();
        let all = &mut facts.network.interfaces;
        all.retain(|it| it.flavour != Some(Flavour::Function));
        for it in all {
            it.eswitch = Eswitch::Switchdev;
        }
        change(facts);
    });
    let uplinks = UPLINKS.map(|name| {
        let it = device(&report, name);
        assert_eq!(it.way, Way::Block);
        let mut findings = it.findings.iter().filter(|f| f.severity != Severity::Ok);
        let found = findings.next();
        assert_eq!(findings.next(), None);
        assert!(found.is_none_or(|f| f.id == "block-not-allowed"));
        (it.state, found.map(|f| (f.fix.clone(), f.advice.clone())))
    });
    uplinks.into()
}

#[test]
fn one_line_allows_all_blocks_permanently() {
    let mend = |fix: &str| {
        let fix = (Some(fix.to_owned()), None);
        (State::Mend, Some(fix))
    };
    let ready = (State::Ready, None);
    assert_eq!(uplinks(|_| ()), [mend(LASTING), mend(LASTING)]);
    // Devices that are already allowed stay so.
    let some = uplinks(|facts| {
        let text = "options nft_offload block=eth9,enp1s0f1np1";
        facts.kernel.blocks.next = next("/etc/modprobe.d/a.conf", text, &["eth9", "enp1s0f1np1"]);
    });
    let command = "echo 'options nft_offload block=eth9,enp1s0f1np1,enp1s0f0np0' > \
                   /etc/modprobe.d/nft-offload-block.conf";
    assert_eq!(some, [mend(command), ready.clone()]);
    let all = uplinks(|facts| facts.kernel.blocks.next = next("", "", &UPLINKS));
    assert_eq!(all, [ready.clone(), ready]);
    // A name that cannot be an item of the list.
    let report = changed("router-mlx5-legacy", |facts| {
        interface(facts, "enp1s0f0np0").name = "a,b".to_owned();
    });
    let fix = |name| device(&report, name).findings[1].fix.clone();
    assert_eq!(fix("a,b"), None);
    assert_eq!(
        fix("enp1s0f1np1").unwrap(),
        LASTING.replace("enp1s0f0np0,", "")
    );
}

/// The flowtable of a representor is not enough: see `block::unreached`.
#[test]
fn the_block_of_a_representor_has_to_be_allowed() {
    const REPRESENTORS: [&str; 2] = ["enp1s0f0npf0vf0", "enp1s0f0npf0vf1"];
    let found = |allowed: &[&str]| {
        let report = changed("router-mlx5-switchdev", |facts| {
            facts.kernel.blocks.next = next("", "", allowed);
        });
        let it = device(&report, REPRESENTORS[0]);
        let texts = it.findings.iter().map(|f| f.text.clone());
        (it.way, it.state, texts.collect::<Vec<_>>())
    };
    let (way, state, texts) = found(&UPLINKS);
    assert_eq!((way, state), (Way::Block, State::Mend));
    assert!(texts[0].contains("priority other than 1"), "{texts:?}");
    assert_eq!(found(&REPRESENTORS), (Way::Block, State::Ready, vec![]));
}

#[test]
fn a_block_can_be_allowed_in_a_flowtable() {
    let loaded = |facts: &mut Facts, reported: Vec<Reported>| {
        facts.loaded = Some(reported);
        facts.kernel.blocks.now = Some(Vec::new());
    };
    let fixes = |uplinks: Vec<(State, Mending)>| {
        let fix = |(state, found): (State, Mending)| {
            assert_eq!(state == State::Ready, found.is_none());
            found.map(|(fix, _)| fix.unwrap_or_default())
        };
        uplinks.into_iter().map(fix).collect::<Vec<_>>()
    };
    let now = |name| format!("nft-offload set {name} block on");
    let both = fixes(uplinks(|facts| {
        loaded(facts, vec![in_flowtable(3, false), in_flowtable(4, false)]);
    }));
    let wanted = UPLINKS.map(|name| Some(format!("{}\n{LASTING}", now(name))));
    assert_eq!(both, wanted);
    // The line includes the other device, which was allowed until it leaves the flowtable.
    let one = fixes(uplinks(|facts| {
        loaded(facts, vec![in_flowtable(3, true), in_flowtable(4, false)]);
    }));
    assert_eq!(one, [None, wanted[1].clone()]);
    // The line was written after the module was loaded.
    let written = fixes(uplinks(|facts| {
        loaded(facts, vec![in_flowtable(3, false)]);
        facts.kernel.blocks.next = next("", "", &UPLINKS);
    }));
    assert_eq!(written, [Some(now(UPLINKS[0])), Some(String::new())]);
    // The answer of the module overrides its parameter.
    let taken = fixes(uplinks(|facts| {
        loaded(facts, vec![in_flowtable(3, false)]);
        facts.kernel.blocks.now = Some(names(&UPLINKS));
        facts.kernel.blocks.next = next("", "", &UPLINKS);
    }));
    assert_eq!(taken, [Some(now(UPLINKS[0])), None]);
}

#[test]
fn a_block_where_the_module_is_loaded_and_has_no_flowtable() {
    let found = uplinks(|facts| {
        facts.loaded = Some(Vec::new());
        facts.kernel.blocks.now = Some(names(&["enp1s0f0np0"]));
    });
    assert_eq!(found[0], (State::Ready, None));
    let (fix, advice) = found[1].1.clone().unwrap();
    assert_eq!(fix.as_deref(), Some(LASTING));
    assert!(advice.unwrap().contains("nft-offload set DEVICE block on"));
    // modprobe.d takes effect at the next load.
    let found = uplinks(|facts| {
        facts.loaded = Some(Vec::new());
        facts.kernel.blocks.now = Some(Vec::new());
        facts.kernel.blocks.next = next("", "", &UPLINKS);
    });
    let (fix, advice) = found[1].1.clone().unwrap();
    assert_eq!(fix, None);
    assert!(advice.unwrap().contains("loaded next"));
}

#[test]
fn a_later_line_of_modprobe_d_is_named() {
    let found = |file: &str, text: &str| {
        let found = uplinks(|facts| {
            facts.kernel.blocks.next = next(file, text, &["eth9"]);
        });
        found[0].1.clone().unwrap()
    };
    let line = "options nft_offload block=eth9";
    let (fix, advice) = found("/etc/modprobe.d/zz.conf", line);
    assert_eq!(fix, None);
    assert_eq!(
        advice.unwrap(),
        "/etc/modprobe.d/zz.conf:2 has the option that takes effect: change it there to \
         block=eth9,enp1s0f0np0,enp1s0f1np1"
    );
    let ours = "/etc/modprobe.d/nft-offload-block.conf";
    assert!(found(ours, "options nft_offload block=eth9 admit=2")
        .0
        .is_none());
    assert!(found(ours, line).0.is_some());
    assert!(found("/etc/modprobe.d/nft-offload.conf", line).0.is_none());
}

#[test]
fn only_the_module_knows_of_the_block() {
    let report = changed("router-mtk", |facts| {
        simulated(facts);
        facts.loaded = Some(vec![in_flowtable(2, false)]);
        facts.kernel.blocks.now = Some(Vec::new());
    });
    let lan = device(&report, "lan");
    assert_eq!((lan.way, lan.state), (Way::Block, State::Mend));
    assert_eq!(ids(&lan.findings), ["block-not-allowed"]);
    assert_eq!(device(&report, "wan").way, Way::Direct);
    assert_eq!(
        lan.findings[0].fix.as_deref(),
        Some(
            "nft-offload set lan block on\n\
             echo 'options nft_offload block=lan' > /etc/modprobe.d/nft-offload-block.conf"
        )
    );
    // There are two commands on two lines.
    let text = render(&report, TERMINAL);
    assert!(text.contains("\n           $ nft-offload set lan block on\n           $ echo 'opt"));
    // A driver that cannot use rules cannot use its block.
    let report = changed("laptop", |facts| {
        facts.loaded = Some(vec![in_flowtable(2, false)]);
    });
    assert_eq!(ids(&device(&report, "enp0s31f6").findings), ["refused"]);
    // Nor can one that was built without the option.
    let report = changed("router-mlx5-debian", |facts| {
        let uplinks = facts.network.interfaces.iter();
        let reported = uplinks.map(|i| in_flowtable(i.ifindex, false)).collect();
        facts.loaded = Some(reported);
    });
    assert_eq!(ids(&device(&report, UPLINKS[0]).findings), ["not-built"]);
}

#[test]
fn blocks_are_read() {
    let blocks = |root: &std::path::Path| Machine::at(root).kernel(&Network::default()).blocks;
    let recorded = blocks(&directory("router-mlx5-switchdev"));
    let (line, devices) = recorded.next.unwrap();
    assert_eq!(line.file, "/etc/modprobe.d/flows.conf");
    assert_eq!((line.number, devices), (3, names(&["enp1s0f1np1"])));
    assert_eq!(recorded.now, None);
    let root = env::temp_dir().join(format!("nft-offload-blocks.{}", std::process::id()));
    let parameters = root.join("sys/module/nft_offload/parameters");
    fs::create_dir_all(&parameters).unwrap();
    assert_eq!(blocks(&root).now, None);
    for (text, wanted) in [
        ("\n", vec![]),
        ("a\n", vec!["a"]),
        ("a,,b,\n", vec!["a", "b"]),
    ] {
        fs::write(parameters.join("block"), text).unwrap();
        assert_eq!(blocks(&root).now, Some(names(&wanted)));
    }
    fs::remove_dir_all(&root).unwrap();
}

/// Reads a file of the project.
fn project(path: &str) -> String {
    let top = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(top.join(path)).unwrap()
}

#[test]
fn the_module_says_it_in_these_words() {
    assert!(project("src/net/flow_offload/driver_error.rs")
        .contains(crate::netlink::family::NOT_ALLOWED));
}

#[test]
fn the_hardware_page_shows_what_is_printed() {
    let page = project("docs/hardware.md");
    let (_, example) = page.split_once("$ nft-offload support\n...\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let printed = render(&assess(&machine("router-mlx5-legacy")), TERMINAL);
    let mut rest = format!("\n{printed}");
    for part in example.split("...\n") {
        let (_, behind) = rest
            .split_once(&format!("\n{part}"))
            .unwrap_or_else(|| panic!("not printed:\n{part}"));
        rest = format!("\n{behind}");
    }
    assert_eq!(rest, "\n", "left out at the end");
}

#[test]
fn an_unknown_driver() {
    let case = |feature| {
        let report = changed("laptop", |facts| {
            interface(facts, "enp0s31f6").tc_offload = feature;
        });
        device(&report, "enp0s31f6").way
    };
    assert_eq!(case(Some(HwTcOffload::Fixed)), Way::None);
    assert_eq!(case(None), Way::None);
    assert_eq!(case(Some(HwTcOffload::Off)), Way::Unknown);
    assert_eq!(case(Some(HwTcOffload::On)), Way::Unknown);
}

fn simulated(facts: &mut Facts) {
    let parent = ("netdevsim".to_owned(), "netdevsim2".to_owned());
    let hardware = facts::Hardware {
        driver: "netdevsim".to_owned(),
        ..facts::Hardware::default()
    };
    facts.kernel.hardware.insert(parent.clone(), hardware);
    let port = |ifindex, name: &str| Interface {
        ifindex,
        name: name.to_owned(),
        parent: Some(parent.clone()),
        tc_offload: Some(HwTcOffload::On),
        ..Interface::default()
    };
    facts.network.interfaces = vec![port(2, "lan"), port(3, "wan")];
}

#[test]
fn all_is_well() {
    let report = changed("router-mtk", simulated);
    assert_eq!(report.verdict, Verdict::Yes);
    assert_eq!(report.text, "lan and wan take rules");
    let report = changed("router-mtk", |facts| {
        simulated(facts);
        interface(facts, "wan").tc_offload = Some(HwTcOffload::Off);
    });
    assert_eq!(
        report.text,
        "lan takes rules; wan takes rules once the problems above are fixed"
    );
}

#[test]
fn the_module_overrides_the_table() {
    let reported = |takes_rules| Reported {
        ifindex: 2,
        takes_rules,
        bound: if takes_rules { "block" } else { "software" }.to_owned(),
        profile: "mtk".to_owned(),
        block: takes_rules,
        needs_block: false,
        reason: (!takes_rules).then(|| "not-bound".to_owned()),
        error: (!takes_rules).then(|| "EBUSY".to_owned()),
        holds: Some(Capabilities {
            ipv4: true,
            ..Capabilities::default()
        }),
    };
    let report = changed("router-mtk", |facts| {
        simulated(facts);
        facts.loaded = Some(vec![reported(true)]);
    });
    let lan = device(&report, "lan");
    assert_eq!((lan.way, lan.state), (Way::Block, State::Ready));
    assert_eq!(lan.profile.as_deref(), Some("mtk"));
    assert_eq!(lan.holds.as_ref().unwrap().to_string(), "IPv4");
    assert_eq!(device(&report, "wan").profile.as_deref(), Some("tc"));
    let report = changed("router-mtk", |facts| {
        simulated(facts);
        facts.loaded = Some(vec![reported(false)]);
    });
    let lan = device(&report, "lan");
    assert_eq!(ids(&lan.findings), ["refused"]);
    assert!(lan.findings[0].text.contains("EBUSY"));
    assert_eq!(report.verdict, Verdict::Partly);
    // A driver that takes rules although the table denies it.
    let report = changed("laptop", |facts| facts.loaded = Some(vec![reported(true)]));
    assert_eq!(device(&report, "enp0s31f6").state, State::Ready);
}

#[test]
fn devices_without_hardware() {
    let report = changed("router-mtk", |facts| {
        simulated(facts);
        let add = |ifindex, name: &str, kind: &str, below, master| Interface {
            ifindex,
            name: name.to_owned(),
            kind: Some(kind.to_owned()),
            below,
            master,
            ..Interface::default()
        };
        facts.network.interfaces.extend([
            add(10, "br0", "bridge", None, None),
            add(11, "wan.7", "vlan", Some(3), None),
            add(12, "bond0", "bond", None, None),
            add(13, "v0", "veth", Some(14), Some(10)),
            add(14, "v1", "veth", Some(13), None),
        ]);
        interface(facts, "lan").master = Some(12);
    });
    let kinds: Vec<_> = report.virtual_devices.iter().collect();
    let ways: Vec<_> = kinds.iter().map(|v| (v.kind.as_str(), v.way)).collect();
    assert_eq!(
        ways,
        [
            ("bridge", Way::None),
            ("vlan", Way::None),
            ("bond", Way::Indirect),
            ("veth", Way::None)
        ]
    );
    // The ports of this bridge have no hardware.
    assert_eq!(kinds[0].text, "no device below takes rules");
    assert!(kinds[1].text.contains("pass wan"));
    assert_eq!(kinds[3].names, ["v0", "v1"]);
}

#[test]
fn names_are_escaped() {
    let report = changed("router-mtk", |facts| {
        simulated(facts);
        interface(facts, "lan").name = "\x1b[2J".to_owned();
    });
    assert!(!render(&report, TERMINAL).contains('\x1b'));
}

#[test]
fn json_has_what_the_manual_says() {
    let report = serde_json::to_value(assess(&machine("router-mlx5-legacy"))).unwrap();
    assert_eq!(report["verdict"], "partly");
    assert_eq!(report["kernel"]["module"], "installed");
    let card = &report["devices"][1];
    assert_eq!(card["way"], "block");
    assert_eq!(
        (&card["port"], &card["eswitch"]),
        (&"physical".into(), &"legacy".into())
    );
    assert_eq!(card["state"], "mend");
    assert_eq!(card["holds"]["nat6"], true);
    assert_eq!(
        card["findings"][0]["fix"],
        "devlink dev eswitch set pci/0000:01:00.0 mode switchdev"
    );
    assert_eq!(card["findings"][1]["id"], "block-not-allowed");
    assert_eq!(card["findings"][1]["fix"], LASTING);
    assert_eq!(report["virtual_devices"][0]["kind"], "vlan");
}

// --- the profiles of the module ---

/// Reads a profile, without comments.
fn profile(name: &str) -> String {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../src/offload/profile");
    let text = fs::read_to_string(source.join(format!("{name}.rs"))).unwrap();
    let code = text.lines().map(|l| l.split("//").next().unwrap().trim());
    code.collect::<Vec<_>>().join(" ")
}

/// Reads a capability of a profile, or of the profile that it is based on.
fn says(name: &str, field: &str) -> String {
    let text = profile(name);
    if let Some((_, rest)) = text.split_once(&format!(" {field}: ")) {
        return rest.split(',').next().unwrap().to_owned();
    }
    let (_, base) = text.split_once("..").unwrap();
    says(base.split("::").next().unwrap(), field)
}

#[test]
fn the_table_agrees_with_the_profiles() {
    for name in ["airoha", "mlx5", "mtk", "sfc", "tc"] {
        let text = profile(name);
        let (_, list) = text.split_once("drivers: &[").unwrap();
        let list = list.split(']').next().unwrap();
        let theirs: Vec<_> = list.split('"').skip(1).step_by(2).collect();
        assert!(!theirs.is_empty(), "{name}");
        let rows: Vec<_> = drivers::ALL.iter().filter(|d| d.profile == name).collect();
        let mut ours: Vec<_> = rows.iter().flat_map(|d| d.names).copied().collect();
        let mut sorted = theirs.clone();
        ours.sort_unstable();
        sorted.sort_unstable();
        assert_eq!(ours, sorted, "{name}");
        for row in rows {
            let holds = &row.holds;
            let fields = [
                ("nat4", holds.nat4),
                ("nat6", holds.nat6),
                ("service_tags", holds.service_tags),
                ("pppoe", holds.pppoe),
                ("gre", holds.gre),
                ("tunnels", holds.tunnels),
            ];
            for (field, value) in fields {
                assert_eq!(says(name, field), value.to_string(), "{name}: {field}");
            }
            let order = says(name, "push_order");
            let depth = if order.ends_with("Unknown") { 1 } else { 2 };
            assert_eq!(holds.vlan_depth, depth, "{name}");
            assert!(holds.ipv4 && holds.ipv6);
            // The profile of a driver with tc blocks allows them.
            if matches!(row.takes, Takes::Switch | Takes::Blocks) {
                assert_eq!(says(name, "block"), "true");
            }
        }
    }
    let all = drivers::ALL.iter().flat_map(|d| d.names);
    let mut names: Vec<_> = all.collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a driver stands in two rows");
    for row in drivers::ALL {
        assert!(!row.function.is_empty(), "{:?}", row.names);
    }
}
