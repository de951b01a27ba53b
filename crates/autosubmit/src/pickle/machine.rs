//! The machine that reads the instructions of a pickle.

use super::literal::{self, Whole};
use super::{Limits, Node, NodeId, Object, Pickle, PickleError, Value, Why};

/// Reads a pickle. What follows its last instruction is ignored, as Python does.
pub fn read(bytes: &[u8], limits: Limits) -> Result<Pickle<'_>, PickleError> {
    if bytes.len() > limits.bytes {
        return Err(PickleError { offset: 0, why: Why::Limit { what: "bytes", limit: limits.bytes } });
    }
    let mut machine = Machine {
        input: Input { bytes, at: 0 },
        limits,
        // of the pickles that Autosubmit writes, about every tenth byte begins one; the system gives room when it is used
        nodes: Vec::with_capacity((bytes.len() / 8).min(limits.nodes)),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        pushed: 0,
    };
    loop {
        let offset = machine.input.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => return Ok(Pickle { nodes: machine.nodes, root }),
            Err(why) => return Err(PickleError { offset, why }),
        }
    }
}

/// The part of the file that is not read yet.
struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Why> {
        let end = self.at.checked_add(count).ok_or(Why::Truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(Why::Truncated)?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Why> {
        self.take(N)?.try_into().map_err(|_| Why::Truncated)
    }

    fn byte(&mut self) -> Result<u8, Why> {
        Ok(self.array::<1>()?[0])
    }

    fn length4(&mut self) -> Result<usize, Why> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    /// A length or number of eight bytes. What does not fit is more than the file has.
    fn length8(&mut self) -> Result<usize, Why> {
        usize::try_from(u64::from_le_bytes(self.array()?)).map_err(|_| Why::Truncated)
    }

    /// A length of four bytes that Python 2 wrote with a sign.
    fn signed_length(&mut self) -> Result<usize, Why> {
        usize::try_from(i32::from_le_bytes(self.array()?)).map_err(|_| Why::Literal("a length"))
    }

    fn line(&mut self) -> Result<&'a [u8], Why> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or(Why::Truncated)?;
        self.at += length + 1;
        Ok(&rest[..length])
    }
}

struct Machine<'a> {
    input: Input<'a>,
    limits: Limits,
    nodes: Vec<Node<'a>>,
    stack: Vec<Value>,
    /// How high the stack was when each open container began.
    marks: Vec<usize>,
    memo: Vec<Option<Value>>,
    pushed: usize,
}

impl<'a> Machine<'a> {
    /// One instruction; the root if it was the last one.
    fn step(&mut self) -> Result<Option<Value>, Why> {
        let instruction = self.input.byte()?;
        match instruction {
            b'.' => return self.pop().map(Some),
            0x80 => match self.input.byte()? {
                0..=5 => {}
                other => return Err(Why::Protocol(other)),
            },
            // frames say how much to read at once, which does not matter here
            0x95 => {
                self.input.length8()?;
            }
            b'(' => self.mark()?,
            b'0' => self.discard()?,
            b'1' => drop(self.pop_to_mark()?),
            b'2' => self.top().and_then(|value| self.push(value))?,
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.remember(instruction)?,
            b'N' | 0x88 | 0x89 | b'I' | b'J' | b'K' | b'M' | b'L' | 0x8a | 0x8b | b'F' | b'G' => {
                self.number(instruction)?;
            }
            b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d | b'B' | b'C' | 0x8e | 0x96 => self.literal(instruction)?,
            b']' | b'l' | b'a' | b'e' | b')' | b't' | 0x85..=0x87 => self.sequence(instruction)?,
            b'}' | b'd' | b's' | b'u' | 0x8f | 0x90 | 0x91 => self.keyed(instruction)?,
            b'c' | 0x93 | b'R' | b'b' | 0x81 | 0x92 | b'i' | b'o' => self.object(instruction)?,
            other => return Err(Why::Instruction(other)),
        }
        Ok(None)
    }

    fn number(&mut self, instruction: u8) -> Result<(), Why> {
        let value = match instruction {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.input.array()?))),
            b'K' => Value::Int(i64::from(self.input.byte()?)),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(self.input.array()?))),
            b'F' => Value::Float(literal::float(self.input.line()?)?),
            b'G' => Value::Float(f64::from_be_bytes(self.input.array()?)),
            b'I' => {
                let line = self.input.line()?;
                return self.whole(literal::whole(line)?);
            }
            b'L' => {
                let line = self.input.line()?;
                return self.whole(literal::long(line)?);
            }
            _ => {
                let length =
                    if instruction == 0x8a { self.input.byte()?.into() } else { self.input.signed_length()? };
                let bytes = self.input.take(length)?;
                return self.whole(little_endian(bytes));
            }
        };
        self.push(value)
    }

    fn whole(&mut self, whole: Whole) -> Result<(), Why> {
        match whole {
            Whole::Bool(value) => self.push(Value::Bool(value)),
            Whole::Int(value) => self.push(Value::Int(value)),
            Whole::Long => self.push_node(Node::Opaque),
        }
    }

    fn literal(&mut self, instruction: u8) -> Result<(), Why> {
        let node = match instruction {
            b'S' => Node::Text(literal::quoted(self.input.line()?)?.into()),
            b'V' => Node::Text(literal::escaped(self.input.line()?)?.into()),
            b'T' | b'U' => {
                let length =
                    if instruction == b'U' { self.input.byte()?.into() } else { self.input.signed_length()? };
                let bytes = self.input.take(length)?;
                match std::str::from_utf8(bytes) {
                    Ok(text) if text.is_ascii() => Node::Text(text.into()),
                    _ => Node::Text(bytes.iter().copied().map(char::from).collect::<String>().into()),
                }
            }
            b'X' | 0x8c | 0x8d => {
                let length = match instruction {
                    b'X' => self.input.length4()?,
                    0x8c => self.input.byte()?.into(),
                    _ => self.input.length8()?,
                };
                Node::Text(String::from_utf8_lossy(self.input.take(length)?))
            }
            _ => {
                let length = match instruction {
                    b'B' => self.input.length4()?,
                    b'C' => self.input.byte()?.into(),
                    _ => self.input.length8()?,
                };
                Node::Bytes(self.input.take(length)?)
            }
        };
        self.push_node(node)
    }

    fn sequence(&mut self, instruction: u8) -> Result<(), Why> {
        match instruction {
            b']' => self.push_node(Node::List(Vec::new())),
            b'l' => {
                let values = self.pop_to_mark()?;
                self.push_node(Node::List(values))
            }
            b'a' => {
                let value = self.pop()?;
                self.extend(&[value])
            }
            b'e' => {
                let values = self.pop_to_mark()?;
                self.extend(&values)
            }
            b')' => self.push_node(Node::Tuple(Box::default())),
            b't' => {
                let values = self.pop_to_mark()?;
                self.push_node(Node::Tuple(values.into()))
            }
            _ => {
                let count = usize::from(instruction - 0x84);
                let values = self.pop_many(count)?;
                self.push_node(Node::Tuple(values.into()))
            }
        }
    }

    fn keyed(&mut self, instruction: u8) -> Result<(), Why> {
        match instruction {
            b'}' => self.push_node(Node::Dict(Vec::new())),
            b'd' => {
                let pairs = pairs(&self.pop_to_mark()?)?;
                self.push_node(Node::Dict(pairs))
            }
            b's' => {
                let from = self.place_of_last(2)?;
                self.set(from)
            }
            b'u' => {
                let from = self.pop_mark()?;
                self.set(from)
            }
            0x8f => self.push_node(Node::Set(Vec::new())),
            0x90 => {
                let values = self.pop_to_mark()?;
                self.extend(&values)
            }
            _ => {
                let values = self.pop_to_mark()?;
                self.push_node(Node::Set(values))
            }
        }
    }

    fn object(&mut self, instruction: u8) -> Result<(), Why> {
        match instruction {
            b'c' => {
                let (module, name) = (line_text(self.input.line()?)?, line_text(self.input.line()?)?);
                self.push_node(Node::Global { module, name })
            }
            0x93 => {
                let names = self.pop_many(2)?;
                let [Some(module), Some(name)] = [names[0], names[1]].map(|value| self.short_text(value)) else {
                    return Err(Why::Shape("a global's name is no text"));
                };
                self.push_node(Node::Global { module, name })
            }
            b'R' | 0x81 => {
                let parts = self.pop_many(2)?;
                self.push_object(parts[0], parts[1])
            }
            0x92 => {
                // the keyword arguments are of no interest
                let parts = self.pop_many(3)?;
                self.push_object(parts[0], parts[1])
            }
            b'i' => {
                let (module, name) = (line_text(self.input.line()?)?, line_text(self.input.line()?)?);
                let arguments = self.pop_to_mark()?;
                let callable = self.add(Node::Global { module, name })?;
                let arguments = self.add(Node::Tuple(arguments.into()))?;
                self.push_object(callable, arguments)
            }
            b'o' => {
                let mut arguments = self.pop_to_mark()?;
                if arguments.is_empty() {
                    return Err(Why::Shape("an object without a class"));
                }
                let callable = arguments.remove(0);
                let arguments = self.add(Node::Tuple(arguments.into()))?;
                self.push_object(callable, arguments)
            }
            _ => {
                let state = self.pop()?;
                match self.top_node()? {
                    Node::Object(object) => object.state = Some(state),
                    _ => return Err(Why::Shape("a state for something that is no object")),
                }
                Ok(())
            }
        }
    }

    /// Remembers the value on top, or pushes one that was remembered.
    fn remember(&mut self, instruction: u8) -> Result<(), Why> {
        let number = match instruction {
            b'p' | b'g' => match literal::long(self.input.line()?)? {
                Whole::Int(number) => usize::try_from(number).map_err(|_| Why::Literal("the number of a value"))?,
                _ => return Err(Why::Literal("the number of a value")),
            },
            b'q' | b'h' => self.input.byte()?.into(),
            b'r' | b'j' => self.input.length4()?,
            _ => self.memo.len(),
        };
        if matches!(instruction, b'g' | b'h' | b'j') {
            let value = self.memo.get(number).copied().flatten().ok_or(Why::Memo(number))?;
            return self.push(value);
        }
        let value = self.top()?;
        // every writer counts from 0 or 1, so a number is never above the count of bytes before it
        if number >= self.limits.memo || number > self.input.at {
            return Err(Why::Limit { what: "remembered values", limit: self.limits.memo.min(self.input.at) });
        }
        if self.memo.len() <= number {
            self.memo.resize(number + 1, None);
        }
        self.memo[number] = Some(value);
        Ok(())
    }

    fn extend(&mut self, values: &[Value]) -> Result<(), Why> {
        match self.top_node()? {
            Node::List(list) | Node::Set(list) => list.extend_from_slice(values),
            Node::Object(object) => object.elements.extend_from_slice(values),
            _ => return Err(Why::Shape("values for something that is no list or set")),
        }
        Ok(())
    }

    /// Takes the pairs above a place of the stack into the dictionary below them.
    fn set(&mut self, from: usize) -> Result<(), Why> {
        let (below, values) = self.stack.split_at_checked(from).ok_or(EMPTY)?;
        let holder = below.get(self.floor()..).and_then(<[Value]>::last).ok_or(EMPTY)?;
        let Value::Node(holder) = *holder else { return Err(Why::Shape("a number cannot hold anything")) };
        let (pairs, []) = values.as_chunks::<2>() else { return Err(Why::Shape("a key without a value")) };
        let pairs = pairs.iter().map(|[key, value]| (*key, *value));
        match self.nodes.get_mut(holder.place()).ok_or(EMPTY)? {
            Node::Dict(dict) => dict.extend(pairs),
            Node::Object(object) => object.items.extend(pairs),
            _ => return Err(Why::Shape("pairs for something that is no dictionary")),
        }
        self.stack.truncate(from);
        Ok(())
    }

    fn push_object(&mut self, callable: Value, arguments: Value) -> Result<(), Why> {
        let object = Object { callable, arguments, state: None, elements: Vec::new(), items: Vec::new() };
        self.push_node(Node::Object(Box::new(object)))
    }

    fn push_node(&mut self, node: Node<'a>) -> Result<(), Why> {
        let value = self.add(node)?;
        self.push(value)
    }

    fn add(&mut self, node: Node<'a>) -> Result<Value, Why> {
        let number = self.nodes.len();
        if number >= self.limits.nodes {
            return Err(Why::Limit { what: "values with content", limit: self.limits.nodes });
        }
        self.nodes.push(node);
        u32::try_from(number).map(|number| Value::Node(NodeId(number))).map_err(|_| Why::Shape("too many values"))
    }

    fn push(&mut self, value: Value) -> Result<(), Why> {
        if self.pushed >= self.limits.values {
            return Err(Why::Limit { what: "values", limit: self.limits.values });
        }
        self.pushed += 1;
        self.stack.push(value);
        Ok(())
    }

    fn mark(&mut self) -> Result<(), Why> {
        if self.marks.len() >= self.limits.depth {
            return Err(Why::Limit { what: "open containers", limit: self.limits.depth });
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// Where the innermost open container begins; what lies below belongs to others.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Value, Why> {
        self.stack.get(self.floor()..).and_then(<[Value]>::last).copied().ok_or(EMPTY)
    }

    fn top_node(&mut self) -> Result<&mut Node<'a>, Why> {
        match self.top()? {
            Value::Node(NodeId(number)) => self.nodes.get_mut(number as usize).ok_or(EMPTY),
            _ => Err(Why::Shape("a number cannot hold anything")),
        }
    }

    fn pop(&mut self) -> Result<Value, Why> {
        if self.stack.len() <= self.floor() {
            return Err(EMPTY);
        }
        self.stack.pop().ok_or(EMPTY)
    }

    /// The last values, in their order.
    fn pop_many(&mut self, count: usize) -> Result<Vec<Value>, Why> {
        let from = self.place_of_last(count)?;
        Ok(self.stack.split_off(from))
    }

    /// Where the last values begin.
    fn place_of_last(&self, count: usize) -> Result<usize, Why> {
        self.stack.len().checked_sub(count).filter(|from| *from >= self.floor()).ok_or(EMPTY)
    }

    /// Where the values of the innermost open container begin, which is closed with that.
    fn pop_mark(&mut self) -> Result<usize, Why> {
        self.marks.pop().ok_or(Why::Shape("no container is open"))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, Why> {
        let from = self.pop_mark()?;
        if from > self.stack.len() {
            return Err(EMPTY);
        }
        // not `split_off`, which would keep the room of the whole stack
        let values = self.stack[from..].to_vec();
        self.stack.truncate(from);
        Ok(values)
    }

    /// Takes the value on top away, or the mark if that is there.
    fn discard(&mut self) -> Result<(), Why> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    /// A text that names something, and is therefore short.
    fn short_text(&self, value: Value) -> Option<Box<str>> {
        const LONGEST_NAME: usize = 1024;
        match value {
            Value::Node(NodeId(number)) => match self.nodes.get(number as usize) {
                Some(Node::Text(text)) if text.len() <= LONGEST_NAME => Some(text.as_ref().into()),
                _ => None,
            },
            _ => None,
        }
    }
}

const EMPTY: Why = Why::Shape("an instruction without the values that it needs");

fn line_text(line: &[u8]) -> Result<Box<str>, Why> {
    std::str::from_utf8(line).map(Into::into).map_err(|_| Why::Literal("the name of a global"))
}

fn pairs(values: &[Value]) -> Result<Vec<(Value, Value)>, Why> {
    let (pairs, []) = values.as_chunks::<2>() else { return Err(Why::Shape("a key without a value")) };
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}

/// An integer in two's complement.
fn little_endian(bytes: &[u8]) -> Whole {
    let mut wide = match bytes.last() {
        Some(last) if last & 0x80 != 0 => [0xff; 8],
        _ => [0; 8],
    };
    match wide.get_mut(..bytes.len()) {
        Some(low) => {
            low.copy_from_slice(bytes);
            Whole::Int(i64::from_le_bytes(wide))
        }
        None => Whole::Long,
    }
}
