//! Waiting for what happens to a pod, relaying what its containers write and what is typed for them.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use stockade_confine::workload::Stdin;

use super::relay::Output;
use super::supervise::{Supervisor, Watcher};
use super::tasks::Task;
use super::to_run::NotStartedPod;

impl Supervisor<'_> {
    /// Waits until something happens, and relays what containers write.
    pub(super) fn wait_for_something(
        &mut self,
        watcher: &dyn Watcher,
    ) -> Result<(), NotStartedPod> {
        let mut fds = vec![PollFd::from_borrowed_fd(self.watched.as_fd(), PollFlags::IN)];
        let leash = watcher.leash();
        fds.extend(leash.map(|it| PollFd::from_borrowed_fd(it, PollFlags::empty())));
        let first_source = fds.len();
        let mut sources = Vec::new();
        for (task_index, task) in self.tasks.iter().enumerate() {
            for (index, source) in task.sources.iter().enumerate() {
                sources.push((task_index, index));
                fds.push(PollFd::from_borrowed_fd(source.fd(), PollFlags::IN));
            }
        }
        let keyboard = self.keyboard();
        let stdin = io::stdin();
        if keyboard.is_some() {
            fds.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
        }
        let timeout = self.timeout().map(|it| Timespec {
            tv_sec: i64::try_from(it.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: it.subsec_nanos().into(),
        });
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
        let ready: Vec<bool> = fds.iter().map(|it| !it.revents().is_empty()).collect();
        drop(fds);

        let let_go = leash.is_some() && ready[1];
        // From the last, so that a source that ends does not move one that is still to be asked.
        for (position, (task, index)) in sources.iter().enumerate().rev() {
            if ready[first_source + position] {
                self.tasks[*task].relay(*index);
            }
        }
        if let Some(task) = keyboard
            && ready.last() == Some(&true)
        {
            self.type_into(task);
        }
        if let_go {
            self.kill_all();
        }
        Ok(())
    }

    /// The container whose terminal our own standard input goes to.
    fn keyboard(&self) -> Option<usize> {
        if self.pod.output == Output::Kept {
            return None;
        }
        self.tasks.iter().position(|it| it.terminal.is_some() && it.to_run.stdin == Stdin::Open)
    }

    fn type_into(&mut self, index: usize) {
        let task = &mut self.tasks[index];
        let mut typed = [0_u8; 4096];
        let length = rustix::io::read(io::stdin(), &mut typed).unwrap_or(0);
        if length == 0 {
            task.terminal = None;
        } else if let Some(terminal) = &task.terminal {
            rustix::io::write(terminal, &typed[..length]).ok();
        }
    }

    fn timeout(&self) -> Option<Duration> {
        let next = self.tasks.iter().filter_map(Task::next_at).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    pub(super) fn resize(&self) {
        if let Ok(size) = rustix::termios::tcgetwinsize(io::stdin()) {
            for terminal in self.tasks.iter().filter_map(|it| it.terminal.as_ref()) {
                rustix::termios::tcsetwinsize(terminal, size).ok();
            }
        }
    }
}
