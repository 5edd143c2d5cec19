//! Text of other programs, made fit for a terminal.

/// One line without what a terminal would act on: control sequences (ECMA-48: `ESC [` to a final byte, `ESC ]` and its
/// like to their end, other escapes) are left out, every other control character is a space.
#[must_use]
pub fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut text = line.chars().peekable();
    while let Some(c) = text.next() {
        let introducer = match c {
            '\u{1b}' => text.next(),
            // The same in one character.
            '\u{9b}' => Some('['),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => Some(']'),
            c => {
                out.push(if c.is_control() { ' ' } else { c });
                continue;
            }
        };
        match introducer {
            Some('[') => {
                let _ = text.find(|c| matches!(c, '@'..='~'));
            }
            Some('P' | 'X' | ']' | '^' | '_') => {
                // Ended by BEL or ST, which is ESC and a backslash, or one character.
                let end = text.find(|c| matches!(c, '\u{7}' | '\u{1b}' | '\u{9c}'));
                text.next_if(|c| end == Some('\u{1b}') && *c == '\\');
            }
            Some(' '..='/') => {
                let _ = text.find(|c| !matches!(c, ' '..='/'));
            }
            _ => {}
        }
    }
    out.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_a_terminal_acts_on() {
        for (line, shown) in [
            ("plain, with a tab\tand é", "plain, with a tab and é"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}[2J\u{1b}[1;1Hhome", "home"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]0;title\u{1b}\\text", "text"),
            ("\u{1b}Pq#0\u{1b}\\text", "text"),
            ("\u{9b}31mred\u{9d}0;t\u{9c}x", "redx"),
            ("\u{1b}(Bx\u{1b}cy\u{1b}7z", "xyz"),
            ("10%\r20%\u{8}\u{7f}", "10% 20%"),
            ("cut short \u{1b}[3", "cut short"),
            ("cut short \u{1b}", "cut short"),
            ("\u{1b}]never ended", ""),
        ] {
            assert_eq!(plain(line), shown, "{line:?}");
        }
    }
}
