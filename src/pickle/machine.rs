//! The stack machine. Opcodes and their meaning: Python's `pickletools`; B and C are zodbpickle's bytes in protocol 3,
//! which are those of Python 3.

use std::collections::HashMap;

use super::error::Error;
use super::input::Input;
use super::policy::Policy;
use super::{Value, number};

/// The number of a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct NodeId(u32);

impl NodeId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A value that refers to its parts by their numbers.
#[derive(Debug)]
pub(super) enum Node<'a> {
    /// A value without parts, other than bytes and text.
    Plain(Value),
    Bytes(&'a [u8]),
    Text(&'a str),
    Tuple(Vec<NodeId>),
    List(Vec<NodeId>),
    /// Keys and values in turn.
    Dict(Vec<NodeId>),
    Global {
        module: &'a str,
        name: &'a str,
    },
    Persistent(NodeId),
    Call {
        callable: NodeId,
        arguments: NodeId,
        new: bool,
        state: Option<NodeId>,
        /// What was appended to the instance, or set in it: keys and values in turn.
        items: Vec<NodeId>,
    },
}

/// A pickle that is being carried out.
pub(super) struct Machine<'a> {
    input: Input<'a>,
    nodes: Vec<Node<'a>>,
    stack: Vec<NodeId>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, NodeId>,
    steps: usize,
    policy: Policy,
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8], policy: &Policy) -> Self {
        Self {
            input: Input::new(bytes),
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            steps: policy.limits.steps,
            policy: *policy,
        }
    }

    /// How many bytes were read.
    pub(super) fn at(&self) -> usize {
        self.input.at()
    }

    pub(super) fn nodes(&self) -> &[Node<'a>] {
        &self.nodes
    }

    /// Makes ready for a pickle after this one: only the memo stays.
    pub(super) fn restart(&mut self) {
        self.stack.clear();
        self.marks.clear();
    }

    /// Runs to the STOP; what is on top then.
    pub(super) fn run(&mut self) -> Result<NodeId, Error> {
        loop {
            // Every opcode makes at most one node, one entry of the stack and one of the memo: this bounds memory.
            self.steps = self.steps.checked_sub(1).ok_or(Error::Limit("too many opcodes"))?;
            let opcode = self.input.byte()?;
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), Error> {
        match opcode {
            0x80 => self.protocol(),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.discard(),
            b'1' => self.pop_to_mark().map(drop),
            b'2' => self.duplicate(),
            b'h' | b'j' | b'q' | b'r' => self.memo_step(opcode),
            b'B' | b'C' | b'T' | b'U' | b'X' => self.string_step(opcode),
            b'N' | 0x88 | 0x89 | b'G' | b'I' | b'J' | b'K' | b'L' | b'M' | 0x8a | 0x8b => {
                self.plain_step(opcode)
            }
            b')' | 0x85 | 0x86 | 0x87 | b't' | b']' | b'}' => self.made_of_parts(opcode),
            b'a' | b'e' | b's' | b'u' => self.added_parts(opcode),
            b'c' | b'R' | 0x81 | b'b' => self.named_step(opcode),
            b'Q' if self.policy.limits.record => {
                let id = self.pop()?;
                self.push(Node::Persistent(id))
            }
            _ => Err(Error::Opcode { opcode, at: self.input.at() - 1 }),
        }
    }

    fn protocol(&mut self) -> Result<(), Error> {
        if self.input.byte()? > 3 { Err(self.invalid("a protocol above 3")) } else { Ok(()) }
    }

    fn plain_step(&mut self, opcode: u8) -> Result<(), Error> {
        let input = &mut self.input;
        let value = match opcode {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'G' => Value::Float(f64::from_be_bytes(input.array()?)),
            b'J' => Value::Int(i64::from(i32::from_le_bytes(input.array()?))),
            b'K' => Value::Int(i64::from(input.byte()?)),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(input.array()?))),
            0x8a => number::from_two_complement(input.short_counted()?),
            0x8b => number::from_two_complement(input.counted()?),
            // b'I' and b'L'
            _ => match input.line()? {
                b"00" if opcode == b'I' => Value::Bool(false),
                b"01" if opcode == b'I' => Value::Bool(true),
                line => {
                    let digits = line.strip_suffix(b"L").unwrap_or(line);
                    number::from_decimal(digits).ok_or_else(|| input.invalid("an integer that is none"))?
                }
            },
        };
        self.push(Node::Plain(value))
    }

    fn string_step(&mut self, opcode: u8) -> Result<(), Error> {
        if matches!(opcode, b'T' | b'U') && !self.policy.python2 {
            return Err(Error::Python2(self.input.at() - 1));
        }
        let input = &mut self.input;
        let node = match opcode {
            b'B' => Node::Bytes(input.counted()?),
            b'C' => Node::Bytes(input.short_counted()?),
            b'T' | b'U' => {
                let bytes = if opcode == b'T' { input.counted()? } else { input.short_counted()? };
                match native(bytes) {
                    Node::Bytes(_) if self.policy.limits.record => {
                        return Err(input.invalid("a string of Python 2 that is not ASCII"));
                    }
                    node => node,
                }
            }
            // b'X'
            _ => {
                let text = std::str::from_utf8(input.counted()?);
                Node::Text(text.map_err(|_| input.invalid("text that is not UTF-8"))?)
            }
        };
        self.push(node)
    }

    fn memo_step(&mut self, opcode: u8) -> Result<(), Error> {
        let key = match opcode {
            b'h' | b'q' => u32::from(self.input.byte()?),
            // b'j' and b'r'
            _ => u32::from_le_bytes(self.input.array()?),
        };
        if matches!(opcode, b'q' | b'r') {
            let top = self.top()?;
            self.memo.insert(key, top);
        } else {
            let known = self.memo.get(&key).copied();
            self.stack.push(known.ok_or_else(|| self.invalid("a memo that was never set"))?);
        }
        Ok(())
    }

    fn made_of_parts(&mut self, opcode: u8) -> Result<(), Error> {
        let node = match opcode {
            b')' => Node::Tuple(Vec::new()),
            0x85..=0x87 => Node::Tuple(self.pop_several(usize::from(opcode - 0x84))?),
            b't' => Node::Tuple(self.pop_to_mark()?),
            b']' => Node::List(Vec::new()),
            // b'}'
            _ => Node::Dict(Vec::new()),
        };
        self.push(node)
    }

    fn added_parts(&mut self, opcode: u8) -> Result<(), Error> {
        let added = match opcode {
            b'a' => self.pop_several(1)?,
            b's' => self.pop_several(2)?,
            _ => self.pop_to_mark()?,
        };
        let pairs = matches!(opcode, b's' | b'u');
        if pairs && !added.len().is_multiple_of(2) {
            return Err(self.invalid("a key without a value"));
        }
        let top = self.top()?;
        match (&mut self.nodes[top.index()], pairs) {
            (Node::List(items), false) | (Node::Dict(items), true) | (Node::Call { items, .. }, _) => {
                items.extend(added);
                Ok(())
            }
            _ => Err(self.invalid("items for something that has none")),
        }
    }

    fn named_step(&mut self, opcode: u8) -> Result<(), Error> {
        let node = match opcode {
            b'c' => self.global()?,
            b'R' | 0x81 => {
                let arguments = self.pop()?;
                let callable = self.pop()?;
                self.call(callable, arguments, opcode == 0x81)?
            }
            // b'b'
            _ => return self.build(),
        };
        self.push(node)
    }

    fn global(&mut self) -> Result<Node<'a>, Error> {
        let module = self.input.text_line()?;
        let name = self.input.text_line()?;
        if (self.policy.globals)(module, name) {
            Ok(Node::Global { module, name })
        } else {
            Err(Error::Global { module: module.to_owned(), name: name.to_owned() })
        }
    }

    fn call(&self, callable: NodeId, arguments: NodeId, new: bool) -> Result<Node<'a>, Error> {
        if !matches!(self.nodes[callable.index()], Node::Global { .. })
            || !matches!(self.nodes[arguments.index()], Node::Tuple(_))
        {
            return Err(self.invalid("a call of something that is no class"));
        }
        Ok(Node::Call { callable, arguments, new, state: None, items: Vec::new() })
    }

    fn build(&mut self) -> Result<(), Error> {
        let given = self.pop()?;
        let top = self.top()?;
        match &mut self.nodes[top.index()] {
            Node::Call { state, .. } => {
                *state = Some(given);
                Ok(())
            }
            _ => Err(self.invalid("a state for something that has none")),
        }
    }

    /// Takes off what is on top, be it a mark.
    fn discard(&mut self) -> Result<(), Error> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn duplicate(&mut self) -> Result<(), Error> {
        let top = self.top()?;
        self.stack.push(top);
        Ok(())
    }

    fn push(&mut self, node: Node<'a>) -> Result<(), Error> {
        let id = self.add(node)?;
        self.stack.push(id);
        Ok(())
    }

    fn add(&mut self, node: Node<'a>) -> Result<NodeId, Error> {
        let id = u32::try_from(self.nodes.len()).map_err(|_| Error::Limit("too many values"))?;
        self.nodes.push(node);
        Ok(NodeId(id))
    }

    /// How far down the stack may be taken: what is below a mark waits for it.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<NodeId, Error> {
        let top = self.stack.last().copied().filter(|_| self.stack.len() > self.floor());
        top.ok_or_else(|| self.invalid("too little on the stack"))
    }

    fn pop(&mut self) -> Result<NodeId, Error> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_several(&mut self, count: usize) -> Result<Vec<NodeId>, Error> {
        let start = self.stack.len().checked_sub(count).filter(|start| *start >= self.floor());
        let start = start.ok_or_else(|| self.invalid("too little on the stack"))?;
        Ok(self.stack.split_off(start))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<NodeId>, Error> {
        let mark = self.marks.pop().ok_or_else(|| self.invalid("an end without a mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn invalid(&self, what: &'static str) -> Error {
        self.input.invalid(what)
    }
}

/// A string of Python 2: text if it is ASCII, as Python 3 reads it, else bytes.
fn native(bytes: &[u8]) -> Node<'_> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => Node::Text(text),
        _ => Node::Bytes(bytes),
    }
}
