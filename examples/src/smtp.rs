//! Just enough SMTP (RFC 5321) for a story: one message handed to a server on this machine, and such a server.
//!
//! Takes an address, a subject and a text; gives the server's word that it has the message. Never lets what it was given
//! speak SMTP itself: an address or subject with a line break is refused, and the text travels in base64.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// How long the other side may take for one line.
const LINE_LIMIT: Duration = Duration::from_secs(10);
/// Bytes of one message that the sink takes.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Characters of one line of base64.
const LINE: usize = 76;

/// A letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
}

/// Hands a letter to the server at `server`.
///
/// # Errors
/// An address that is none, or a server that does not take it.
pub async fn send(server: &str, letter: &Letter) -> Result<()> {
    for address in [&letter.from, &letter.to] {
        let plain = |c: char| c.is_ascii_graphic() && !"<>,;:\"()[]\\".contains(c);
        let is_one =
            address.len() <= 254 && address.chars().all(plain) && address.matches('@').count() == 1;
        ensure!(is_one, "'{}' is no e-mail address", address.escape_debug());
    }
    ensure!(
        !letter.subject.chars().any(char::is_control),
        "the subject holds a line break"
    );
    let stream = timeout(LINE_LIMIT, TcpStream::connect(server)).await??;
    let mut lines = BufReader::new(stream);
    expect(&mut lines, "220").await?;
    let data = data(letter);
    for (command, code) in [
        ("EHLO story.example\r\n".to_owned(), "250"),
        (format!("MAIL FROM:<{}>\r\n", letter.from), "250"),
        (format!("RCPT TO:<{}>\r\n", letter.to), "250"),
        ("DATA\r\n".to_owned(), "354"),
        (data, "250"),
        ("QUIT\r\n".to_owned(), "221"),
    ] {
        lines.get_mut().write_all(command.as_bytes()).await?;
        expect(&mut lines, code).await?;
    }
    Ok(())
}

/// The message with its end.
fn data(letter: &Letter) -> String {
    let subject = STANDARD.encode(&letter.subject);
    let text = STANDARD.encode(&letter.text);
    // base64 is ASCII, so every byte is a character.
    let text: Vec<&str> = (0..text.len())
        .step_by(LINE)
        .map(|at| &text[at..text.len().min(at + LINE)])
        .collect();
    let text = text.join("\r\n");
    format!(
        "From: <{}>\r\nTo: <{}>\r\nSubject: =?UTF-8?B?{subject}?=\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{text}\r\n.\r\n",
        letter.from, letter.to
    )
}

/// Reads a reply, which may have several lines; it must have `code`.
async fn expect(lines: &mut BufReader<TcpStream>, code: &str) -> Result<()> {
    loop {
        let mut line = String::new();
        timeout(LINE_LIMIT, lines.read_line(&mut line)).await??;
        if !line.starts_with(code) {
            bail!("the mail server said '{}'", line.trim_end().escape_debug());
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}

/// A server that keeps every message it is handed; it ends with its last clone and the runtime.
#[derive(Clone, Debug)]
pub struct Sink {
    /// Where it listens.
    pub address: String,
    kept: Arc<Mutex<Vec<String>>>,
}

impl Sink {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let sink = Self {
            address: listener.local_addr()?.to_string(),
            kept: Arc::default(),
        };
        let kept = Arc::clone(&sink.kept);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                tokio::spawn(async move {
                    // Whoever speaks no SMTP is cut off, and nothing of it is kept.
                    let _ = timeout(LINE_LIMIT, serve(stream, &kept)).await;
                });
            }
        });
        Ok(sink)
    }

    /// The messages so far, each with its text decoded.
    pub fn messages(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|message| readable(message)).collect()
    }
}

async fn serve(stream: TcpStream, kept: &Mutex<Vec<String>>) -> Result<()> {
    let mut lines = BufReader::new(stream);
    lines.get_mut().write_all(b"220 sink\r\n").await?;
    let mut message = None;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        if let Some(text) = &mut message {
            if line == ".\r\n" {
                let whole = std::mem::take(text);
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(whole);
                message = None;
                lines.get_mut().write_all(b"250 kept\r\n").await?;
            } else {
                ensure!(text.len() + line.len() <= MESSAGE_BYTES_MAX, "too long");
                text.push_str(&line);
            }
            continue;
        }
        let reply: &[u8] = match line.split([' ', '\r']).next().unwrap_or_default() {
            "EHLO" => b"250-sink\r\n250 8BITMIME\r\n",
            "MAIL" | "RCPT" => b"250 ok\r\n",
            "DATA" => {
                message = Some(String::new());
                b"354 go on\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"502 not here\r\n",
        };
        lines.get_mut().write_all(reply).await?;
    }
}

/// Headers as they came, the subject and the text decoded.
fn readable(message: &str) -> String {
    let decoded = |text: &str| {
        let bytes = STANDARD
            .decode(text.replace("\r\n", ""))
            .unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (head, body) = message.split_once("\r\n\r\n").unwrap_or((message, ""));
    let mut lines = Vec::new();
    for line in head.lines() {
        match line
            .strip_prefix("Subject: =?UTF-8?B?")
            .and_then(|rest| rest.strip_suffix("?="))
        {
            Some(subject) => lines.push(format!("Subject: {}", decoded(subject))),
            None if line.starts_with("To:") => lines.push(line.to_owned()),
            None => {}
        }
    }
    lines.push(decoded(body));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Letter {
        Letter {
            from: "centre@giza.example".to_owned(),
            to: "citizen@mail.example".to_owned(),
            subject: "الرخصة".to_owned(),
            text: "صدرت.\n.\nRCPT TO:<x@y>\n".repeat(20),
        }
    }

    #[tokio::test]
    async fn a_letter_arrives_as_it_was_written() {
        let sink = Sink::start().await.unwrap();
        send(&sink.address, &letter()).await.unwrap();
        let messages = sink.messages();
        assert_eq!(messages.len(), 1);
        assert!(messages[0].contains("Subject: الرخصة") && messages[0].ends_with(&letter().text));
    }

    #[tokio::test]
    async fn nothing_that_is_given_speaks_to_the_server() {
        let sink = Sink::start().await.unwrap();
        for to in ["", "a", "a@b\r\nRCPT TO:<c@d>", "<a@b>", "a@b@c", "a b@c"] {
            let letter = Letter {
                to: to.to_owned(),
                ..letter()
            };
            assert!(send(&sink.address, &letter).await.is_err(), "{to}");
        }
        let letter = Letter {
            subject: "a\r\nBcc: b@c".to_owned(),
            ..letter()
        };
        assert!(send(&sink.address, &letter).await.is_err());
        assert_eq!(sink.messages(), Vec::<String>::new());
        assert!(send("127.0.0.1:1", &self::letter()).await.is_err());
    }
}
