//! From the machine's nodes to a tree of values.

use super::error::Error;
use super::machine::{Node, NodeId};
use super::policy::Limits;
use super::{Call, Value};

/// What may still be made of the nodes.
pub(super) struct Tree<'n, 'a> {
    nodes: &'n [Node<'a>],
    depth: usize,
    values: usize,
    bytes: usize,
}

impl<'n, 'a> Tree<'n, 'a> {
    pub(super) fn new(nodes: &'n [Node<'a>], limits: Limits, bytes: usize) -> Self {
        Self { nodes, depth: limits.depth, values: limits.steps, bytes }
    }

    /// The value of a node. Recurses, no deeper than the limit, which also ends a value that contains itself.
    pub(super) fn value(&mut self, id: NodeId) -> Result<Value, Error> {
        self.values = self.values.checked_sub(1).ok_or(Error::Limit("too many values"))?;
        self.depth = self.depth.checked_sub(1).ok_or(Error::Limit("values within values too deep"))?;
        let nodes = self.nodes;
        let value = match &nodes[id.index()] {
            Node::Plain(value) => {
                // What a plain value owns is a long integer; bytes and text have nodes of their own.
                if let Value::Long(bytes) = value {
                    self.spend(bytes.len())?;
                }
                value.clone()
            }
            Node::Bytes(bytes) => {
                self.spend(bytes.len())?;
                Value::Bytes(bytes.to_vec())
            }
            Node::Text(text) => {
                self.spend(text.len())?;
                Value::Text((*text).to_owned())
            }
            Node::Tuple(items) => Value::Tuple(self.values(items)?),
            Node::List(items) => Value::List(self.values(items)?),
            Node::Dict(items) => Value::Dict(self.pairs(items)?),
            Node::Global { module, name } => {
                self.spend(module.len() + name.len())?;
                Value::Global { module: (*module).to_owned(), name: (*name).to_owned() }
            }
            Node::Persistent(id) => Value::Persistent(Box::new(self.value(*id)?)),
            Node::Call { callable, arguments, new, state, items } => {
                if !items.is_empty() {
                    return Err(Error::Limit("an instance with items"));
                }
                let callable = self.value(*callable)?;
                let arguments = self.value(*arguments)?;
                let state = state.map(|state| self.value(state)).transpose()?;
                Value::Call(Box::new(Call { callable, arguments, new: *new, state }))
            }
        };
        self.depth += 1;
        Ok(value)
    }

    fn values(&mut self, items: &[NodeId]) -> Result<Vec<Value>, Error> {
        items.iter().map(|item| self.value(*item)).collect()
    }

    fn pairs(&mut self, items: &[NodeId]) -> Result<Vec<(Value, Value)>, Error> {
        items.as_chunks().0.iter().map(|[key, value]| Ok((self.value(*key)?, self.value(*value)?))).collect()
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Error::Limit("too many bytes in shared values"))?;
        Ok(())
    }
}
