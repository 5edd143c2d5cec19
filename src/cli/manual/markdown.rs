//! From Markdown, as the manuals in docs/ use it, to the language of man(7): paragraphs, headings, lists, examples and
//! tables. A row of a table becomes an entry: its first cell, and below it the others.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Adds the text to a manual page.
pub(super) fn add(page: &mut Roff, text: &str) {
    let mut writer = Writer {
        page,
        line: Vec::new(),
        emphasis: false,
        link: None,
        in_item: false,
        begun: false,
        example: None,
        titles: Vec::new(),
        row: Vec::new(),
    };
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        writer.take(event);
    }
}

struct Writer<'a> {
    page: &'a mut Roff,
    /// What is being collected: a paragraph, a cell, an example.
    line: Vec<Inline>,
    emphasis: bool,
    /// Where the link that is open leads.
    link: Option<String>,
    /// In an item of a list, whose first paragraph stands beside its mark.
    in_item: bool,
    /// Something stands below the last heading, from which a paragraph is to be parted.
    begun: bool,
    example: Option<String>,
    titles: Vec<String>,
    row: Vec<Vec<Inline>>,
}

impl Writer<'_> {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.begin(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.example {
                Some(example) => example.push_str(&text),
                None if self.emphasis => self.line.push(italic(text.into_string())),
                None => self.line.push(roman(text.into_string())),
            },
            Event::Code(text) => self.line.push(bold(text.into_string())),
            Event::SoftBreak | Event::HardBreak => self.line.push(roman(" ")),
            // Comments, which are for those who write.
            _ => {}
        }
    }

    fn begin(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Emphasis | Tag::Strong => self.emphasis = true,
            Tag::Link { dest_url, .. } => {
                self.link = Some(dest_url.to_string()).filter(|url| url.contains("://"));
            }
            Tag::Item => {
                self.page.control("IP", ["\\(bu", "2"]);
                (self.in_item, self.begun) = (true, true);
            }
            Tag::CodeBlock(_) => self.example = Some(String::new()),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Emphasis | TagEnd::Strong => self.emphasis = false,
            TagEnd::Link => {
                if let Some(url) = self.link.take() {
                    self.line.push(roman(format!(" <{url}>")));
                }
            }
            TagEnd::Paragraph => {
                if !std::mem::take(&mut self.in_item) {
                    self.part();
                }
                self.flush();
            }
            TagEnd::Item => {
                self.in_item = false;
                self.flush();
            }
            TagEnd::Heading(_) => {
                let title: String = plain(&std::mem::take(&mut self.line));
                self.page.control("SS", [title.as_str()]);
                self.begun = false;
            }
            TagEnd::CodeBlock => self.show_example(),
            TagEnd::TableCell => self.row.push(std::mem::take(&mut self.line)),
            TagEnd::TableHead => {
                self.titles = std::mem::take(&mut self.row).iter().map(|cell| plain(cell)).collect();
            }
            TagEnd::TableRow => self.entry(),
            _ => {}
        }
    }

    fn part(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            self.page.control("PP", []);
        }
    }

    fn flush(&mut self) {
        if !self.line.is_empty() {
            self.page.text(std::mem::take(&mut self.line));
        }
    }

    fn show_example(&mut self) {
        let example = self.example.take().unwrap_or_default();
        self.part();
        self.page.control("RS", ["4"]);
        self.page.control("nf", []);
        for line in example.lines() {
            self.page.text([roman(line)]);
        }
        self.page.control("fi", []);
        self.page.control("RE", []);
    }

    /// A row: of more than two cells, those in the middle are told with their titles.
    fn entry(&mut self) {
        let mut cells = std::mem::take(&mut self.row).into_iter();
        let Some(first) = cells.next() else { return };
        self.page.control("TP", []);
        self.begun = true;
        self.page.text(first);
        let mut body = Vec::new();
        let last = cells.len().saturating_sub(1);
        for (index, (cell, title)) in cells.zip(self.titles.iter().skip(1)).enumerate() {
            if index < last && !cell.is_empty() {
                body.push(roman(format!("{title} ")));
                body.extend(cell);
                body.push(roman("; "));
            } else {
                body.extend(cell);
            }
        }
        self.page.text(body);
    }
}

fn plain(inlines: &[Inline]) -> String {
    let text = |inline: &Inline| match inline {
        Inline::Roman(text) | Inline::Italic(text) | Inline::Bold(text) => text.clone(),
        Inline::LineBreak => " ".to_owned(),
    };
    inlines.iter().map(text).collect()
}
