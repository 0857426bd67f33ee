//! A command in words, as the shell that it was copied for reads it.

use std::iter::Peekable;
use std::str::Chars;

use super::super::CaptureError;

/// The words of a command for a POSIX shell, bash or cmd.exe: browsers copy for
/// each of them ("Copy as cURL (bash)", "Copy as cURL (cmd)").
pub(super) fn words(command: &str) -> Result<Vec<String>, CaptureError> {
    let command = command.replace("\r\n", "\n");
    let command = match command.contains("^\"") || command.contains("^\n") {
        true => without_carets(&command),
        // A backtick is PowerShell's backslash.
        false => command.replace("\\\n", " ").replace("`\n", " "),
    };
    shell_words::split(&ansi_c_as_quotes(&command)).map_err(|_| CaptureError::Quotes)
}

/// What cmd.exe makes of its escapes: a caret takes a letter as it is, and a line's
/// end away. Quotes and backslashes that are left mean the same as to a POSIX shell.
fn without_carets(command: &str) -> String {
    let mut out = String::with_capacity(command.len());
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '^' => match letters.next() {
                Some('\n') => out.push(' '),
                other => out.extend(other),
            },
            letter => out.push(letter),
        }
    }
    out
}

/// bash's `$'…'` (Bash manual, "ANSI-C Quoting") as plain quotes: browsers write
/// texts so that have a quote or a character that is not plain.
fn ansi_c_as_quotes(command: &str) -> String {
    let mut out = String::with_capacity(command.len());
    let mut letters = command.chars().peekable();
    let mut quote = None;
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None | Some('"'), '\\') => {
                out.push('\\');
                out.extend(letters.next());
                continue;
            }
            (None, '$') if letters.next_if_eq(&'\'').is_some() => {
                out.push_str(&quoted(&mut letters));
                continue;
            }
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
        out.push(letter);
    }
    out
}

/// What follows `$'` up to its end, in single quotes. Without an end the quotes stay
/// open, which is told.
fn quoted(letters: &mut Peekable<Chars<'_>>) -> String {
    let mut text = String::from("'");
    while let Some(letter) = letters.next() {
        let letter = match letter {
            '\'' => {
                text.push('\'');
                return text;
            }
            '\\' => escape(letters),
            plain => Some(plain),
        };
        match letter {
            Some('\'') => text.push_str("'\\''"),
            other => text.extend(other),
        }
    }
    text
}

/// The character that an escape stands for.
fn escape(letters: &mut Peekable<Chars<'_>>) -> Option<char> {
    Some(match letters.next()? {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'x' => return number(letters, 2, 16),
        'u' => return number(letters, 4, 16),
        'U' => return number(letters, 8, 16),
        other => other,
    })
}

fn number(letters: &mut Peekable<Chars<'_>>, most: usize, radix: u32) -> Option<char> {
    let mut value = 0_u32;
    for _ in 0..most {
        let Some(digit) = letters.peek().and_then(|it| it.to_digit(radix)) else { break };
        letters.next();
        value = value.saturating_mul(radix).saturating_add(digit);
    }
    char::from_u32(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_s_quotes_are_read_as_it_reads_them() {
        for (command, expected) in [
            (r"a 'b c' 'd\e'", &["a", "b c", r"d\e"][..]),
            (r#"a "b \"c\"" d\ e"#, &["a", "b \"c\"", "d e"]),
            (r"a $'it\'s\u0021 \x41\n' 'b$'", &["a", "it's! A\n", "b$"]),
            (r#"a "$'x'" \$'y'"#, &["a", "$'x'", "$y"]),
            ("a \\\n  'b' \\\r\n c", &["a", "b", "c"]),
            (
                "a ^\n  ^\"b: ^\\^\"c^\\^\" ^^ 100^%^\" ^\r\n -d ^\"^{^}^\"",
                &["a", "b: \"c\" ^ 100%", "-d", "{}"],
            ),
            ("a \"b\" ^\n  \"c: d\"", &["a", "b", "c: d"]),
            ("a `\n  'b'", &["a", "b"]),
        ] {
            assert_eq!(words(command).unwrap(), expected, "{command}");
        }
        for open in ["a 'b", "a $'b", r"a $'b\'", "a \"b"] {
            assert!(matches!(words(open), Err(CaptureError::Quotes)), "{open}");
        }
    }
}
