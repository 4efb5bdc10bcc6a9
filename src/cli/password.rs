//! What is the password? Typed twice, unseen; or one line of standard input where nobody types.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::{Failure, signals};
use crate::console::PASSWORD_MIN;

/// Asks for it; `path` is the file that its hash goes to.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    if !std::io::stdin().is_terminal() {
        return line();
    }
    let unseen = Unseen::new()?;
    ask(&format!("Its hash goes to {}.\nPassword, {PASSWORD_MIN} letters at least: ", path.display()));
    let typed = line().and_then(|first| {
        ask("\nOnce more: ");
        Ok((first, line()?))
    });
    drop(unseen);
    ask("\n");
    let (first, second) = typed?;
    if *first != *second {
        return Err(Failure::Usage("the two are not the same; nothing was changed".to_owned()));
    }
    Ok(first)
}

fn line() -> Result<Zeroizing<String>, Failure> {
    let mut line = Zeroizing::new(String::new());
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::Usage(format!("no password could be read: {error}")))?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}

fn ask(what: &str) {
    // Whether it can be shown or not, it is read.
    let _shown = write!(std::io::stderr(), "{what}").and_then(|()| std::io::stderr().flush());
}

/// A terminal that shows nothing of what is typed, until this is dropped or somebody ends the process by Ctrl-C.
struct Unseen {
    before: Termios,
    _waiting: tokio::runtime::Runtime,
}

impl Unseen {
    fn new() -> Result<Unseen, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::Usage(format!("the terminal: {error}"));
        let before = tcgetattr(std::io::stdin()).map_err(|error| failed(&error))?;
        // A thread that waits for a signal, while this one waits for a line.
        let waiting = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_io().build();
        let waiting = waiting.map_err(|error| failed(&error))?;
        let as_it_was = before.clone();
        let asked_to_end = {
            let _inside = waiting.enter();
            signals()?
        };
        waiting.spawn(async move {
            asked_to_end.await;
            show(&as_it_was);
            ask("\n");
            // As a shell says it of a process that SIGINT ended.
            std::process::exit(130);
        });
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Now, &unseen).map_err(|error| failed(&error))?;
        Ok(Unseen { before, _waiting: waiting })
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        show(&self.before);
    }
}

fn show(before: &Termios) {
    if let Err(error) = tcsetattr(std::io::stdin(), OptionalActions::Now, before) {
        ask(&format!("the terminal shows nothing of what is typed ({error}): `stty echo`\n"));
    }
}
