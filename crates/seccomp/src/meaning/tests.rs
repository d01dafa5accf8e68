use super::*;

/// Values at and around the borders of the constants below.
const VALUES: [u64; 11] =
    [0, 1, 5, 6, 7, 0x7E02_0000, 0xFFFF_FFFF, 0x1_0000_0000, 0x1_0000_0005, u64::MAX - 1, u64::MAX];

fn operators() -> Vec<Operator> {
    use Operator::*;
    let with = |it: u64| {
        [NotEqual(it), Less(it), LessOrEqual(it), Equal(it), GreaterOrEqual(it), Greater(it)]
    };
    let mut all: Vec<_> = VALUES.into_iter().flat_map(with).collect();
    for mask in VALUES {
        all.extend([0, 5, 0x1_0000_0001].map(|value| MaskedEqual { mask, value }));
    }
    all
}

fn holds(store: &Store, mut id: Id, arguments: [u64; 6]) -> bool {
    loop {
        match store.node(id) {
            Node::Leaf(value) => return value == YES,
            Node::Bit { level, zero, one } => {
                let argument = arguments[usize::from(level / 64)];
                id = if argument >> (63 - level % 64) & 1 == 1 { one } else { zero };
            }
        }
    }
}

#[test]
fn a_diagram_holds_where_its_condition_holds() {
    let mut store = Store::default();
    for width in [Width::Bits32, Width::Bits64] {
        for operator in operators() {
            let id = store.condition(Condition { argument: 1, operator }, width);
            for value in VALUES {
                let expected = operator.on(width).holds(width.truncate(value));
                let found = holds(&store, id, [9, value, 9, 9, 9, 9]);
                assert_eq!(found, expected, "{operator:?} of {value:#x} on {width:?}");
            }
        }
    }
}

#[test]
fn the_same_meaning_is_the_same_diagram_however_it_is_written() {
    use Operator::*;
    let allow = |operators: &[(u8, Operator)]| Rule {
        conditions: operators
            .iter()
            .map(|&(argument, operator)| Condition { argument, operator })
            .collect(),
        action: Action::Allow,
    };
    for (shows, first, second) in [
        (
            "order",
            vec![allow(&[(0, Less(5))]), allow(&[(0, Greater(5))])],
            vec![allow(&[(0, NotEqual(5))])],
        ),
        ("borders", vec![allow(&[(0, LessOrEqual(4))])], vec![allow(&[(0, Less(5))])]),
        (
            "bits that do not count",
            vec![allow(&[(2, MaskedEqual { mask: 4, value: 7 })])],
            vec![allow(&[(2, MaskedEqual { mask: 4, value: 4 })])],
        ),
        (
            "what is hidden",
            vec![allow(&[(0, Less(9))]), allow(&[(0, Less(5))])],
            vec![allow(&[(0, Less(9))])],
        ),
    ] {
        let mut store = Store::default();
        let default = store.action(Action::EPERM);
        let ids = [first, second].map(|it| store.first(&it, default, Width::Bits64).unwrap());
        assert_eq!(ids[0], ids[1], "{shows}");
    }
}

#[test]
fn every_pair_of_answers_has_a_witness() {
    let mut store = Store::default();
    let [eperm, allow, log] =
        [Action::EPERM, Action::Allow, Action::Log].map(|it| store.action(it));
    let when = |store: &mut Store, argument, operator| {
        store.all(&[Condition { argument, operator }], Width::Bits64).unwrap()
    };
    let small = when(&mut store, 0, Operator::Less(5));
    let odd = when(&mut store, 3, Operator::MaskedEqual { mask: 1, value: 1 });
    let first = store.choose(small, allow, eperm).unwrap();
    let second = store.choose(odd, log, eperm).unwrap();
    let mut pairs = store.pairs(first, second);
    pairs.sort_by_key(|((a, b), _)| (a.permissiveness(), b.permissiveness()));
    let expected = [
        (Action::EPERM, Action::EPERM, [5, 0]),
        (Action::EPERM, Action::Log, [5, 1]),
        (Action::Allow, Action::EPERM, [0, 0]),
        (Action::Allow, Action::Log, [0, 1]),
    ];
    assert_eq!(pairs.len(), expected.len());
    for (((a, b), arguments), (first, second, [small, odd])) in pairs.into_iter().zip(expected) {
        assert_eq!((a, b), (first, second));
        assert_eq!((arguments[0] >= 5, arguments[3] & 1), (small >= 5, odd), "{arguments:?}");
    }
}

#[test]
fn a_function_that_grows_too_large_is_no_answer() {
    // Equality of two arguments, bit by bit, with the bits far apart: exponential in any number of bits.
    let mut store = Store::default();
    let mut all = store.yes();
    let no = store.no();
    let result = (0..24).try_for_each(|bit| {
        let at = |argument, set: u64| Condition {
            argument,
            operator: Operator::MaskedEqual { mask: 1 << bit, value: set << bit },
        };
        let both = store.all(&[at(0, 1), at(1, 1)], Width::Bits64)?;
        let neither = store.all(&[at(0, 0), at(1, 0)], Width::Bits64)?;
        let yes = store.yes();
        let same = store.choose(both, yes, neither)?;
        all = store.choose(same, all, no)?;
        Ok(())
    });
    assert_eq!(result, Err(TooComplex));
}
