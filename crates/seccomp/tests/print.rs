//! What is printed is read back as the same profile.

#[allow(dead_code, reason = "each test file uses its part")]
mod common;

use common::{any_action, any_condition, any_rule};
use proptest::prelude::*;
use stockade_abi::{Architecture, Capability};
use stockade_seccomp::{
    Action, ArchitectureList, Flag, Listed, Name, Place, Profile, ProfileRule, Selector,
    default_profile,
};

#[test]
fn the_built_in_profile_survives() {
    assert_eq!(read_back(&default_profile()), placeless(default_profile()));
}

#[test]
fn the_form_is_fixed_and_says_only_what_counts() {
    let text = r#"{"syscalls": [{"name": "write", "action": "SCMP_ACT_KILL", "comment": "", "args": null,
        "includes": {"caps": ["CAP_BPF"], "arches": ["s390x", "mips"]}, "excludes": {"minKernel": "4.8"}},
        {"names": ["read", "close", "read"], "action": "SCMP_ACT_TRACE", "comment": "why \"so\"\n",
         "args": [{"op": "SCMP_CMP_MASKED_EQ", "valueTwo": 1, "value": 3, "index": 2}]}],
        "defaultErrno": "ENOSYS", "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}]}"#;
    let printed = Profile::parse("p", text).unwrap().profile.canonical().to_json();
    assert_eq!(
        printed,
        r#"{
  "defaultAction": "SCMP_ACT_ERRNO",
  "defaultErrnoRet": 38,
  "archMap": [
    {
      "architecture": "SCMP_ARCH_X86_64",
      "subArchitectures": ["SCMP_ARCH_X86"]
    }
  ],
  "syscalls": [
    {
      "names": ["write"],
      "action": "SCMP_ACT_KILL_THREAD",
      "includes": {
        "arches": ["s390x", "mips"],
        "caps": ["CAP_BPF"]
      },
      "excludes": {
        "minKernel": "4.8"
      }
    },
    {
      "names": ["close", "read"],
      "action": "SCMP_ACT_TRACE",
      "errnoRet": 1,
      "args": [
        { "index": 2, "value": 3, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ" }
      ],
      "comment": "why \"so\"\n"
    }
  ]
}
"#
    );
}

#[test]
fn lines_are_filled_and_not_overfilled() {
    let mut profile = default_profile();
    profile.rules.truncate(1);
    let text = profile.to_json();
    let longest = text.lines().map(str::len).max().unwrap();
    assert!((90..=100).contains(&longest), "{longest}");
}

proptest! {
    #[test]
    fn printing_and_reading_cancel_out(profile in any_whole_profile()) {
        prop_assert_eq!(read_back(&profile), profile);
    }

    #[test]
    fn the_canonical_form_is_a_fixed_point(profile in any_whole_profile()) {
        let once = profile.canonical();
        prop_assert_eq!(read_back(&once).canonical(), once);
    }
}

#[track_caller]
fn read_back(profile: &Profile) -> Profile {
    let text = profile.to_json();
    match Profile::parse("printed", &text) {
        Ok(parsed) => placeless(parsed.profile),
        Err(errors) => panic!("{errors:?}\n{text}"),
    }
}

fn placeless(mut profile: Profile) -> Profile {
    for rule in &mut profile.rules {
        rule.place = Place::default();
    }
    profile
}

/// Every field of the format.
fn any_whole_profile() -> impl Strategy<Value = Profile> {
    let text = || prop::option::of("[ -~é\n\t\u{0}\u{1}\u{202e}\u{1F600}]{0,12}");
    let listed = || {
        let all = vec![
            Listed::Known(Architecture::X86_64),
            Listed::Known(Architecture::X32),
            Listed::Known(Architecture::S390),
            Listed::Foreign("SCMP_ARCH_MIPS"),
        ];
        prop::sample::subsequence(all, 1..=4)
    };
    let architectures = prop_oneof![
        Just(ArchitectureList::Native),
        listed().prop_map(ArchitectureList::Listed),
        prop::collection::vec((listed().prop_map(|it| it[0]), listed()), 1..3)
            .prop_map(ArchitectureList::Map),
    ];
    let flags = vec![Flag::Tsync, Flag::Log, Flag::SpecAllow, Flag::WaitKillableRecv];
    let rules = prop::collection::vec(any_whole_rule(), 0..6);
    let flags = prop::sample::subsequence(flags, 0..=4);
    (any_action(), architectures, flags, text(), text(), rules).prop_map(
        |(default_action, architectures, flags, listener_path, listener_metadata, rules)| Profile {
            default_action,
            architectures,
            flags,
            listener_path,
            listener_metadata,
            rules,
        },
    )
}

fn any_whole_rule() -> impl Strategy<Value = ProfileRule> {
    let comment = prop::option::of("[ -~é\n]{1,20}");
    let conditions = prop::collection::vec(any_condition(), 0..4);
    (any_rule(any_action(), 0), conditions, any_selector(), any_selector(), comment).prop_map(
        |(rule, conditions, includes, excludes, comment)| {
            let mut rule = ProfileRule { conditions, includes, excludes, comment, ..rule };
            // In a rule that tightens, an unknown name is an error.
            if rule.action == Action::Allow {
                rule.names.push(Name::Unknown("no_such_call".into()));
            }
            rule
        },
    )
}

fn any_selector() -> impl Strategy<Value = Selector> {
    let machines = vec![
        Listed::Known(Architecture::X86_64),
        Listed::Known(Architecture::S390x),
        Listed::Foreign("mips64n32"),
    ];
    let capabilities = vec![Capability::SysAdmin, Capability::Bpf, Capability::Chown];
    (
        prop::sample::subsequence(machines, 0..=3),
        prop::sample::subsequence(capabilities, 0..=3),
        prop::option::of((0..9u32, 0..40u32)),
    )
        .prop_map(|(architectures, capabilities, min_kernel)| Selector {
            architectures,
            capabilities: capabilities.into_iter().collect(),
            min_kernel,
        })
}
