//! One run of QEMU: started, listened to, and gone at the end whatever happens.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use super::error::{Console, GuestError};
use super::guest::{Guest, GuestReport};
use super::protocol::{Message, read_record};

/// The emulator, searched in `PATH`.
pub(super) const PROGRAM: &str = "qemu-system-x86_64";

/// Boots `guest` from `initramfs` and listens until it is done. The logs lie
/// beside the initramfs.
pub(super) fn run(
    guest: &Guest,
    initramfs: &Path,
    start: Instant,
) -> Result<GuestReport, GuestError> {
    let console = initramfs.with_file_name("console.log");
    let errors = initramfs.with_file_name("qemu.log");
    let mut machine = Machine::start(guest, initramfs, &console, &errors)?;
    let said = || Console(read_lossy(&console) + &read_lossy(&errors));

    let (sender, messages) = mpsc::channel();
    let port = machine.0.stdout.take();
    thread::spawn(move || {
        let mut port = BufReader::new(port?);
        while let Ok(Some(record)) = read_record(&mut port) {
            sender.send(Message::from_record(record).ok()?).ok()?;
        }
        Some(())
    });

    let mut report = GuestReport {
        uname_r: String::new(),
        results: Vec::new(),
        notes: Vec::new(),
        console: String::new(),
        boot_ms: 0,
        total_ms: 0,
    };
    loop {
        let left = guest.deadline.saturating_sub(start.elapsed());
        match messages.recv_timeout(left) {
            Ok(Message::Hello(release)) => {
                report.uname_r = release;
                report.boot_ms = start.elapsed().as_millis();
            }
            Ok(Message::Note(note)) => report.notes.push(note),
            Ok(Message::Result(result)) => report.results.push(result),
            Ok(Message::Done) => {
                report.console = said().0;
                return Ok(report);
            }
            Err(RecvTimeoutError::Timeout) => {
                return Err(GuestError::TooSlow(guest.deadline, report.results.len(), said()));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(GuestError::Ended(report.results.len(), said()));
            }
        }
    }
}

/// A running QEMU. To drop it is to end it: a guest that is done has nothing
/// left to lose, and to wait for its shutdown takes longer.
struct Machine(Child);

impl Machine {
    fn start(
        guest: &Guest,
        initramfs: &Path,
        console: &Path,
        errors: &Path,
    ) -> Result<Self, GuestError> {
        let log = File::create(errors).map_err(GuestError::io("create", errors))?;
        let child = Command::new(PROGRAM)
            .args(["-accel", "tcg", "-machine", "pc", "-cpu", "max", "-smp", "1"])
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
            .args(["-m", &guest.memory_mib.to_string()])
            .arg("-kernel")
            .arg(&guest.kernel.image)
            .arg("-initrd")
            .arg(initramfs)
            .args(["-append", &guest.cmdline()])
            .args(["-serial", &format!("file:{}", console.display()), "-serial", "stdio"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(GuestError::io("start", Path::new(PROGRAM)))?;
        Ok(Self(child))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
