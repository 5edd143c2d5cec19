//! The persistent ids of a pickle, without the values that it makes: what a record refers to, at a small part of the cost of
//! decoding it.
//!
//! The machine follows the stack, marks and memo of the protocols 0 to 5, but of each value it keeps only what may become an
//! id of 8 bytes. Opcodes and their meaning: Python's `pickletools`.

use super::error::Error;
use super::input::Input;

/// Entries that the stack, the marks and the memo may have each: 16 bytes an entry.
const MAX_ENTRIES: usize = 1 << 22;

/// What a persistent id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersistentId {
    /// 8 bytes, alone or as the first item of a tuple.
    Id([u8; 8]),
    /// A list.
    List,
    /// Anything else.
    Other,
}

/// A value, as far as it matters.
#[derive(Debug, Clone, Copy)]
enum Item {
    Id([u8; 8]),
    /// Text of 8 characters below U+0100.
    Text([u8; 8]),
    /// A tuple with such a first item.
    TupleOfId([u8; 8]),
    TupleOfText([u8; 8]),
    List,
    /// The function `_codecs.encode`, by which protocols below 3 write the bytes of Python 3.
    Encode,
    Other,
}

/// Reads persistent ids, of one pickle after the other.
#[derive(Debug, Default)]
pub struct PersistentIds {
    stack: Vec<Item>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: Vec<Item>,
}

impl PersistentIds {
    /// Calls `found` with each persistent id of the pickle at the start of `bytes`; its length.
    ///
    /// # Errors
    /// It is no pickle, or one of a protocol above 5, or it needs more memory than a record of ZODB can.
    pub fn read(&mut self, bytes: &[u8], found: &mut dyn FnMut(PersistentId)) -> Result<usize, Error> {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        let mut input = Input::new(bytes);
        loop {
            let opcode = input.byte()?;
            if opcode == b'.' {
                self.pop(&input)?;
                return Ok(input.at());
            }
            self.step(opcode, &mut input, found)?;
        }
    }

    fn step(
        &mut self,
        opcode: u8,
        input: &mut Input<'_>,
        found: &mut dyn FnMut(PersistentId),
    ) -> Result<(), Error> {
        match opcode {
            b'q' => {
                let key = usize::from(input.byte()?);
                self.put(key, input)
            }
            b'r' => {
                let key = u32::from_le_bytes(input.array()?) as usize;
                self.put(key, input)
            }
            0x94 => self.put(self.memo.len(), input),
            b'p' => {
                let key = memo_key(input)?;
                self.put(key, input)
            }
            b'h' => {
                let key = usize::from(input.byte()?);
                self.get(key, input)
            }
            b'j' => {
                let key = u32::from_le_bytes(input.array()?) as usize;
                self.get(key, input)
            }
            b'g' => {
                let key = memo_key(input)?;
                self.get(key, input)
            }
            b'Q' => {
                let id = self.pop(input)?;
                found(persistent_id(id));
                self.push(Item::Other)
            }
            b'P' => {
                input.line()?;
                // The repr of an id: which id depends on the Python that wrote it.
                found(PersistentId::Other);
                self.push(Item::Other)
            }
            b'('
            | b'0'
            | b'1'
            | b'2'
            | b't'
            | b'l'
            | b'd'
            | b'a'
            | b'e'
            | b's'
            | b'u'
            | b'b'
            | b'R'
            | b'o'
            | b'i'
            | 0x81
            | 0x85..=0x87
            | 0x90..=0x93 => self.rearrange(opcode, input),
            _ => match plain(opcode, input)? {
                Some(item) => self.push(item),
                None => Ok(()),
            },
        }
    }

    /// What takes values from the stack.
    fn rearrange(&mut self, opcode: u8, input: &mut Input<'_>) -> Result<(), Error> {
        match opcode {
            b'(' => {
                if self.marks.len() >= MAX_ENTRIES {
                    return Err(Error::Limit("too many marks"));
                }
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' if self.marks.last() == Some(&self.stack.len()) => {
                self.marks.pop();
                Ok(())
            }
            b'0' | b'a' | b'b' => self.pop(input).map(drop),
            b's' => self.drop_values(2, input).map(drop),
            b'1' | b'e' | b'u' | 0x90 => self.drop_to_mark(input).map(drop),
            b'2' => {
                let top = self.top(input)?;
                self.push(top)
            }
            b't' => {
                let first = self.drop_to_mark(input)?;
                self.push(tuple_of(first))
            }
            0x85..=0x87 => {
                let first = self.drop_values(usize::from(opcode - 0x84), input)?;
                self.push(tuple_of(first))
            }
            b'l' => {
                self.drop_to_mark(input)?;
                self.push(Item::List)
            }
            b'i' => {
                input.line()?;
                input.line()?;
                self.drop_to_mark(input)?;
                self.push(Item::Other)
            }
            b'd' | b'o' | 0x91 => {
                self.drop_to_mark(input)?;
                self.push(Item::Other)
            }
            b'R' => {
                let arguments = self.pop(input)?;
                let called = self.pop(input)?;
                self.push(match (called, arguments) {
                    (Item::Encode, Item::TupleOfText(bytes)) => Item::Id(bytes),
                    _ => Item::Other,
                })
            }
            0x92 => {
                self.drop_values(3, input)?;
                self.push(Item::Other)
            }
            // 0x81, 0x93
            _ => {
                self.drop_values(2, input)?;
                self.push(Item::Other)
            }
        }
    }

    fn push(&mut self, item: Item) -> Result<(), Error> {
        if self.stack.len() >= MAX_ENTRIES {
            return Err(Error::Limit("too many values"));
        }
        self.stack.push(item);
        Ok(())
    }

    /// How far down the stack may be taken: what is below a mark waits for it.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self, input: &Input<'_>) -> Result<Item, Error> {
        let top = self.stack.last().copied().filter(|_| self.stack.len() > self.floor());
        top.ok_or_else(|| input.invalid("too little on the stack"))
    }

    fn pop(&mut self, input: &Input<'_>) -> Result<Item, Error> {
        let top = self.top(input)?;
        self.stack.pop();
        Ok(top)
    }

    /// Drops so many values; the first of them.
    fn drop_values(&mut self, count: usize, input: &Input<'_>) -> Result<Option<Item>, Error> {
        let start = self.stack.len().checked_sub(count).filter(|start| *start >= self.floor());
        let start = start.ok_or_else(|| input.invalid("too little on the stack"))?;
        let first = self.stack.get(start).copied();
        self.stack.truncate(start);
        Ok(first)
    }

    /// Drops the values above the last mark; the first of them.
    fn drop_to_mark(&mut self, input: &Input<'_>) -> Result<Option<Item>, Error> {
        let mark = self.marks.pop().ok_or_else(|| input.invalid("an end without a mark"))?;
        let first = self.stack.get(mark).copied();
        self.stack.truncate(mark);
        Ok(first)
    }

    fn put(&mut self, key: usize, input: &Input<'_>) -> Result<(), Error> {
        let top = self.top(input)?;
        if key >= MAX_ENTRIES {
            return Err(Error::Limit("too large a memo"));
        }
        if key >= self.memo.len() {
            // Picklers number from 0 or 1 on.
            self.memo.resize(key + 1, Item::Other);
        }
        self.memo[key] = top;
        Ok(())
    }

    fn get(&mut self, key: usize, input: &Input<'_>) -> Result<(), Error> {
        let item = self.memo.get(key).copied().ok_or_else(|| input.invalid("a memo that was never set"))?;
        self.push(item)
    }
}

/// What needs nothing from the stack: the value that it pushes, if it does.
fn plain(opcode: u8, input: &mut Input<'_>) -> Result<Option<Item>, Error> {
    let skipped = match opcode {
        b'N' | b')' | b'}' | 0x88 | 0x89 | 0x8f => 0,
        b'K' | 0x82 => 1,
        b'M' | 0x83 => 2,
        b'J' | 0x84 => 4,
        b'G' => 8,
        b']' => return Ok(Some(Item::List)),
        b'C' | b'U' => return Ok(Some(bytes_of(input.short_counted()?))),
        b'B' | b'T' => return Ok(Some(bytes_of(input.counted()?))),
        0x8e | 0x96 => return Ok(Some(bytes_of(long_counted(input)?))),
        b'X' => return Ok(Some(text_of(input.counted()?))),
        0x8c => return Ok(Some(text_of(input.short_counted()?))),
        0x8d => return Ok(Some(text_of(long_counted(input)?))),
        0x8a => {
            input.short_counted()?;
            0
        }
        0x8b => {
            input.counted()?;
            0
        }
        b'F' | b'I' | b'L' | b'S' | b'V' => {
            input.line()?;
            0
        }
        b'c' => {
            let (module, name) = (input.line()?, input.line()?);
            let encode = module == b"_codecs" && name == b"encode";
            return Ok(Some(if encode { Item::Encode } else { Item::Other }));
        }
        0x80 if input.byte()? <= 5 => return Ok(None),
        0x80 => return Err(input.invalid("a protocol above 5")),
        0x95 => {
            input.take(8)?;
            return Ok(None);
        }
        _ => return Err(Error::Opcode { opcode, at: input.at() - 1 }),
    };
    input.take(skipped)?;
    Ok(Some(Item::Other))
}

fn memo_key(input: &mut Input<'_>) -> Result<usize, Error> {
    let line = input.text_line()?;
    line.parse().map_err(|_| input.invalid("a memo without a number"))
}

fn long_counted<'a>(input: &mut Input<'a>) -> Result<&'a [u8], Error> {
    let count = u64::from_le_bytes(input.array()?);
    input.take(usize::try_from(count).map_err(|_| Error::Short)?)
}

fn bytes_of(bytes: &[u8]) -> Item {
    bytes.try_into().map_or(Item::Other, Item::Id)
}

fn text_of(text: &[u8]) -> Item {
    // A character below U+0100 takes at most 2 bytes.
    if !(8..=16).contains(&text.len()) {
        return Item::Other;
    }
    let mut latin = [0; 8];
    let mut chars = std::str::from_utf8(text).unwrap_or_default().chars();
    for byte in &mut latin {
        match chars.next().map(|c| u8::try_from(u32::from(c))) {
            Some(Ok(c)) => *byte = c,
            _ => return Item::Other,
        }
    }
    if chars.next().is_none() { Item::Text(latin) } else { Item::Other }
}

fn tuple_of(first: Option<Item>) -> Item {
    match first {
        Some(Item::Id(id)) => Item::TupleOfId(id),
        Some(Item::Text(text)) => Item::TupleOfText(text),
        _ => Item::Other,
    }
}

fn persistent_id(item: Item) -> PersistentId {
    match item {
        Item::Id(id) | Item::TupleOfId(id) => PersistentId::Id(id),
        // As Python's programs encode it.
        Item::Text(id) | Item::TupleOfText(id) if id.is_ascii() => PersistentId::Id(id),
        Item::List => PersistentId::List,
        _ => PersistentId::Other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 1];

    fn ids(pickle: &[u8]) -> Result<Vec<PersistentId>, Error> {
        let mut all = Vec::new();
        let length = PersistentIds::default().read(pickle, &mut |id| all.push(id))?;
        assert_eq!(length, pickle.len());
        Ok(all)
    }

    #[test]
    fn each_spelling_of_an_id_is_read() {
        let one = PersistentId::Id(ONE);
        for (pickle, expected) in [
            // The usual one, and the same id again by its memo.
            (&b"\x80\x03C\x08\0\0\0\0\0\0\0\x01q\0cm\nC\nq\x01\x86q\x02Qh\0h\x01\x86Q\x86."[..], vec![one, one]),
            (b"\x80\x03C\x08\0\0\0\0\0\0\0\x01Q.", vec![one]),
            // Python 2.
            (b"(U\x08\0\0\0\0\0\0\0\x01q\x01(U\x01mq\x02U\x01Cq\x03ttQ.", vec![one]),
            (b"T\x08\0\0\0\0\0\0\0\0\0\0\x01Q.", vec![one]),
            // Python 3 in protocols below 3.
            (
                b"\x80\x02c_codecs\nencode\nq\0X\x08\0\0\0\0\0\0\0\0\0\0\x01q\x01X\x06\0\0\0latin1q\x02\x86q\x03RQ.",
                vec![one],
            ),
            (
                b"\x80\x02c_codecs\nencode\nX\x09\0\0\0\0\0\0\0\0\0\0\xc3\xbfX\x06\0\0\0latin1\x86RQ.",
                vec![PersistentId::Id([0, 0, 0, 0, 0, 0, 0, 255])],
            ),
            (b"X\x08\0\0\0\0\0\0\0\0\0\0\x01Q.", vec![one]),
            // Protocols 4 and 5.
            (b"\x80\x04\x95\x10\0\0\0\0\0\0\0C\x08\0\0\0\0\0\0\0\x01\x94\x8c\x01m\x8c\x01C\x93\x86Q.", vec![one]),
            // Weak references and other databases.
            (b"\x80\x03]q\0(X\x01\0\0\0wC\x08\0\0\0\0\0\0\0\x01\x85eQ.", vec![PersistentId::List]),
            (b"(C\x08\0\0\0\0\0\0\0\x01lQ.", vec![PersistentId::List]),
            // What is no id.
            (b"NQ.", vec![PersistentId::Other]),
            (b")Q.", vec![PersistentId::Other]),
            (b"C\x03abcQ.", vec![PersistentId::Other]),
            (b"Pb'\\x00'\n.", vec![PersistentId::Other]),
            (b"X\x09\0\0\0\0\0\0\0\0\0\0\xc3\xbfQ.", vec![PersistentId::Other]),
        ] {
            assert_eq!(ids(pickle).as_ref(), Ok(&expected), "{}", pickle.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_pickle_is_refused() {
        for pickle in [
            &b""[..],
            b"N",
            b".",
            b"\x80\x06N.",
            b"(.",
            b"N(0",
            b"Qx",
            b"t.",
            b"h\0.",
            b"r\xff\xff\xff\xffN.",
            b"Nr\xff\xff\xff\xff.",
            b"\xff.",
            b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.",
        ] {
            let read = PersistentIds::default().read(pickle, &mut |_| ());
            assert!(read.is_err(), "{}", pickle.escape_ascii());
        }
    }

    #[test]
    fn value_below_a_mark_is_not_taken() {
        assert!(matches!(ids(b"N(a."), Err(Error::Invalid { .. })));
        assert_eq!(ids(b"N(N1."), Ok(vec![]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = PersistentIds::default();
            if let Ok(length) = reader.read(&bytes, &mut |_| ()) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
