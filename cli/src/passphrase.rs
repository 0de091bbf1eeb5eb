//! Asking for a passphrase on the terminal, without showing it.
//!
//! It is read from the terminal itself, not from standard input: a script that pipes something into a command must not
//! have its first line taken for a passphrase. Whoever has no terminal names a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use certs::Passphrase;
use certs::passphrase::{PASSPHRASE_MAX, PASSPHRASE_MIN, PassphraseError};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};
use crate::output::Output;

/// The terminal that this process was started from.
const TERMINAL: &str = "/dev/tty";

/// Asks for the passphrase of the key at `path`.
///
/// # Errors
/// A usage failure without a terminal, and for a text that is no passphrase.
pub fn ask(path: &Path, output: Output) -> Result<Passphrase, Failure> {
    let path = path.display();
    let prompt = output.say("Passphrase of", "عبارة مرور المفتاح");
    read(&terminal()?, &format!("{prompt} {path}: "))
}

/// Asks twice for the passphrase of a key that is made now.
///
/// # Errors
/// As [`ask`]; a usage failure when it is too short, or the second is not the first.
pub fn ask_for_new(path: &Path, output: Output) -> Result<Passphrase, Failure> {
    let terminal = terminal()?;
    let at_least = match output.language {
        proto::refusal::Language::English => {
            format!(
                "New passphrase for {} (at least {PASSPHRASE_MIN} characters): ",
                path.display()
            )
        }
        proto::refusal::Language::Arabic => {
            format!(
                "عبارة مرور جديدة للمفتاح {} (لا تقل عن {PASSPHRASE_MIN} حرفًا): ",
                path.display()
            )
        }
    };
    let first = read(&terminal, &at_least)?;
    first.suits_a_new_key().map_err(Failure::usage)?;
    let again = output.say("The same again: ", "أعد كتابتها: ");
    if read(&terminal, again)? == first {
        Ok(first)
    } else {
        Err(Failure::new(
            Exit::Usage,
            ["The two passphrases differ", "عبارتا المرور مختلفتان"],
            [
                "Nothing was made. Run the command again.",
                "لم يُنشأ شيء. أعد تشغيل الأمر.",
            ],
        ))
    }
}

fn terminal() -> Result<File, Failure> {
    let opened = OpenOptions::new().read(true).write(true).open(TERMINAL);
    opened.map_err(|_| {
        Failure::new(
            Exit::Usage,
            [
                "A passphrase is needed, and there is no terminal to ask for it on",
                "تلزم عبارة مرور ولا توجد طرفية لطلبها",
            ],
            [
                "Give an owner-only file with --passphrase-file FILE or MOHAWEL_PASSPHRASE_FILE.",
                "قدّم ملفًا لا يقرؤه غيرك بالخيار ‎--passphrase-file FILE‎ أو بالمتغيّر MOHAWEL_PASSPHRASE_FILE.",
            ],
        )
    })
}

fn read(terminal: &File, prompt: &str) -> Result<Passphrase, Failure> {
    let line = read_line(terminal, prompt)
        .map_err(|error| Failure::usage(format!("the passphrase could not be read: {error}")))?;
    let text = std::str::from_utf8(&line).map_err(|_| Failure::usage(PassphraseError::Text))?;
    Passphrase::new(Zeroizing::new(text.to_owned())).map_err(Failure::usage)
}

/// One line, without its end and without an echo.
fn read_line(mut terminal: &File, prompt: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let quiet = Quiet::begin(terminal)?;
    terminal.write_all(prompt.as_bytes())?;
    // Room for everything at once: growing would leave copies behind. One byte more shows that it is too long.
    let mut line = Zeroizing::new(Vec::with_capacity(PASSPHRASE_MAX + 1));
    let mut byte = Zeroizing::new([0]);
    // Byte by byte, so that what follows the line stays with the terminal.
    while terminal.read(&mut byte[..])? == 1 && byte[0] != b'\n' {
        if line.len() <= PASSPHRASE_MAX {
            line.push(byte[0]);
        }
    }
    drop(quiet);
    Ok(line)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn begin(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        // The line's end is shown, so that the next line of output begins a new one.
        quiet
            .local_modes
            .insert(LocalModes::ECHONL | LocalModes::ICANON);
        // What was typed before the question is not the answer to it.
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    /// A terminal and the one who sits at it.
    fn terminal() -> (File, File) {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let person = openpt(flags).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let terminal: OwnedFd = rustix::fs::open(name, flags, Mode::empty()).unwrap();
        (terminal.into(), person.into())
    }

    /// Types each answer once its question is shown. Gives what was read, and all that the terminal showed.
    fn typed<T: Send>(
        answers: &[(&str, &str)],
        asked: impl FnOnce(&File) -> T + Send,
    ) -> (T, String) {
        let (terminal, mut person) = terminal();
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let read = asked(&terminal);
                let modes = tcgetattr(&terminal).unwrap().local_modes;
                assert!(modes.contains(LocalModes::ECHO), "put back");
                (&terminal).write_all(b"done").unwrap();
                read
            });
            let mut shown = String::new();
            let mut until = |text: &str, person: &mut File| {
                let mut bytes = [0; 256];
                while !shown.contains(text) {
                    let count = person.read(&mut bytes).unwrap();
                    shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
                }
            };
            for (question, answer) in answers {
                until(question, &mut person);
                person.write_all(answer.as_bytes()).unwrap();
            }
            until("done", &mut person);
            (asking.join().unwrap(), shown)
        })
    }

    #[test]
    fn what_is_typed_is_read_and_not_shown() {
        let answers = [
            ("first: ", "correct horse\n"),
            ("second: ", "بطارية دبوس\nmore"),
        ];
        let (read, shown) = typed(&answers, |terminal| {
            ["first: ", "second: "].map(|prompt| read(terminal, prompt).unwrap())
        });
        let wanted = ["correct horse", "بطارية دبوس"]
            .map(|text| Passphrase::new(text.to_owned().into()).unwrap());
        assert_eq!(read, wanted);
        assert!(
            !shown.contains("horse") && !shown.contains("دبوس"),
            "{shown}"
        );
        assert!(shown.contains("first: \r\nsecond: \r\n"), "{shown:?}");
    }

    #[test]
    fn an_empty_line_the_end_of_input_and_a_huge_line_are_refused() {
        let huge = "x".repeat(PASSPHRASE_MAX + 1) + "\n";
        for answer in ["\n", "\u{4}", "\u{4}\n", &huge] {
            let (read, _) = typed(&[("? ", answer)], |terminal| read(terminal, "? "));
            assert_eq!(read.unwrap_err().exit, Exit::Usage, "{}", answer.len());
        }
    }

    #[test]
    fn what_is_no_terminal_is_told() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(read(&file, "? ").unwrap_err().exit, Exit::Usage);
    }
}
