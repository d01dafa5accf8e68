//! What is said arrives; what is no record, or half of one, is an error.

use super::*;

#[test]
fn records_arrive_whatever_they_hold() {
    for fields in [
        vec![],
        vec![b"".to_vec()],
        vec![b"a b\n1 2\n".to_vec(), b"\0\xff".to_vec(), b"".to_vec()],
        vec![vec![b'\n'; 100_000]],
    ] {
        let mut bytes = Vec::new();
        write_record(&mut bytes, &fields).unwrap();
        write_record(&mut bytes, &[b"next".to_vec()]).unwrap();

        let mut reader = bytes.as_slice();
        assert_eq!(read_record(&mut reader).unwrap(), Some(fields));
        assert_eq!(read_record(&mut reader).unwrap(), Some(vec![b"next".to_vec()]));
        assert_eq!(read_record(&mut reader).unwrap(), None);
    }
}

#[test]
fn what_is_cut_off_is_no_record() {
    let mut bytes = Vec::new();
    write_record(&mut bytes, &[b"hello".to_vec(), b"6.1".to_vec()]).unwrap();
    for end in 1..bytes.len() {
        assert!(read_record(&mut &bytes[..end]).is_err(), "{end} bytes");
    }
}

#[test]
fn what_is_malformed_is_no_record() {
    for bytes in
        ["x\n", "1\n", "2 1\nab\n", "1 1 \na\n", "1 1\nab", "-1\n", "\n", "1 99999999999\n"]
    {
        assert!(read_record(&mut bytes.as_bytes()).is_err(), "{bytes:?}");
    }
}

#[test]
fn messages_are_understood() {
    let result = |exit| {
        Message::Result(CommandResult {
            argv: vec!["echo".into(), "".into(), "ä\n".into()],
            exit,
            stdout: vec![0, 255],
            stderr: vec![],
        })
    };
    for message in [
        Message::Hello("6.1.0".into()),
        Message::Note("".into()),
        result(Exit::Code(0)),
        result(Exit::Code(255)),
        result(Exit::Signal(9)),
        result(Exit::TimedOut),
        result(Exit::Running),
        result(Exit::NotDone("why".into())),
        Message::Done,
    ] {
        assert_eq!(Message::from_record(message.to_record()).unwrap(), message);
    }
}

#[test]
fn steps_are_understood() {
    let command = Command::new(["cat", "-"])
        .stdin(*b"\0in")
        .env("A", "")
        .env("B", "=\n")
        .timeout(Duration::from_millis(1500))
        .under_apparmor("profile");
    for step in [
        Step::Run(Command::new(["true"])),
        Step::Run(Command::new([""; 0])),
        Step::Run(command.clone()),
        Step::Start("name".into(), command),
        Step::Stop("name".into(), Stop::Signal(15)),
        Step::Stop("".into(), Stop::Await(Duration::from_secs(3))),
    ] {
        assert_eq!(Step::from_record(step.to_record()).unwrap(), step);
    }
}

#[test]
fn records_of_another_kind_are_refused() {
    for record in
        [&[][..], &["hullo"], &["hello"], &["done", "x"], &["result", "code", "x", "", ""]]
    {
        let record: Vec<Vec<u8>> = record.iter().map(|it| text(it)).collect();
        assert!(Message::from_record(record.clone()).is_err(), "{record:?}");
        assert!(Step::from_record(record.clone()).is_err(), "{record:?}");
    }
}
