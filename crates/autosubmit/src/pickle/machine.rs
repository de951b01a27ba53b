//! The machine that reads the instructions of a pickle.

use std::borrow::Cow;

use super::few::Kept;
use super::input::Input;
use super::literal::{self, Whole};
use super::{Limits, Node, NodeId, Object, Pair, Pickle, PickleError, Value, Why};

/// Reads a pickle. What follows its last instruction is ignored, as Python does.
pub fn read(bytes: &[u8], limits: Limits) -> Result<Pickle<'_>, PickleError> {
    run(bytes, limits, Kept::default())
}

pub(super) fn run(bytes: &[u8], limits: Limits, kept: Kept) -> Result<Pickle<'_>, PickleError> {
    if bytes.len() > limits.bytes {
        return Err(PickleError { offset: 0, why: Why::Limit { what: "bytes", limit: limits.bytes } });
    }
    let mut machine = Machine {
        input: Input::of(bytes),
        limits,
        // of the pickles that Autosubmit writes, about every tenth byte begins one; the system gives room when it is used
        nodes: Vec::with_capacity((bytes.len() / 8).min(limits.nodes)),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        pushed: 0,
        kept,
    };
    loop {
        let offset = machine.input.at();
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => return Ok(Pickle { nodes: machine.nodes, root }),
            Err(why) => return Err(PickleError { offset, why }),
        }
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
    kept: Kept,
}

impl<'a> Machine<'a> {
    /// One instruction; the root if it was the last one.
    #[inline]
    fn step(&mut self) -> Result<Option<Value>, Why> {
        match self.input.byte()? {
            // nearly all of a job list is these, so they are told apart first
            b'h' => {
                let number = self.input.byte()?;
                self.recall(number.into())?;
            }
            b'N' => self.push(Value::None)?,
            b'K' => {
                let number = self.input.byte()?;
                self.push(Value::Int(number.into()))?;
            }
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            0x94 => self.remember(self.memo.len())?,
            b'.' => return self.pop().map(Some),
            other => self.other(other)?,
        }
        Ok(None)
    }

    /// An instruction that comes less often.
    fn other(&mut self, instruction: u8) -> Result<(), Why> {
        match instruction {
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
            b'p' | b'q' | b'r' | b'g' | b'j' => {
                let number = self.number_of_memo(instruction)?;
                if matches!(instruction, b'g' | b'j') { self.recall(number)? } else { self.remember(number)? }
            }
            b'I' | b'J' | b'M' | b'L' | 0x8a | 0x8b | b'F' | b'G' => self.number(instruction)?,
            b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d | b'B' | b'C' | 0x8e | 0x96 => self.literal(instruction)?,
            b']' | b'l' | b'a' | b'e' | b')' | b't' | 0x85..=0x87 => self.sequence(instruction)?,
            b'}' | b'd' | b's' | b'u' | 0x8f | 0x90 | 0x91 => self.keyed(instruction)?,
            b'c' | 0x93 | b'R' | b'b' | 0x81 | 0x92 | b'i' | b'o' => self.object(instruction)?,
            other => return Err(Why::Instruction(other)),
        }
        Ok(())
    }

    fn number(&mut self, instruction: u8) -> Result<(), Why> {
        let value = match instruction {
            b'J' => Value::Int(i64::from(i32::from_le_bytes(self.input.array()?))),
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
                let bytes = self.input.take(length)?;
                // looked at eight bytes at a time, which the lossy reading does not do
                Node::Text(std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed))
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
                let from = self.place_of_last(1)?;
                self.extend(from)
            }
            b'e' => {
                let from = self.pop_mark()?;
                self.extend(from)
            }
            b')' => self.push_node(Node::Tuple(Box::default())),
            b't' => {
                let values = self.pop_to_mark()?;
                self.push_node(Node::Tuple(values.into()))
            }
            _ => {
                let from = self.place_of_last(usize::from(instruction - 0x84))?;
                let values = Box::from(&self.stack[from..]);
                self.stack.truncate(from);
                self.push_node(Node::Tuple(values))
            }
        }
    }

    fn keyed(&mut self, instruction: u8) -> Result<(), Why> {
        match instruction {
            b'}' => self.push_node(Node::Dict(Vec::new())),
            b'd' => {
                let values = self.pop_to_mark()?;
                self.push_node(Node::Dict(pairs(&values)?.to_vec()))
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
                let from = self.pop_mark()?;
                self.extend(from)
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
                let [Some(module), Some(name)] = self.pop_many()?.map(|value| self.short_text(value)) else {
                    return Err(Why::Shape("a global's name is no text"));
                };
                self.push_node(Node::Global { module, name })
            }
            b'R' | 0x81 => {
                let [callable, arguments] = self.pop_many()?;
                self.push_object(callable, arguments)
            }
            0x92 => {
                // the keyword arguments are of no interest
                let [callable, arguments, _] = self.pop_many()?;
                self.push_object(callable, arguments)
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

    /// Which remembered value an instruction is about.
    fn number_of_memo(&mut self, instruction: u8) -> Result<usize, Why> {
        match instruction {
            b'p' | b'g' => match literal::long(self.input.line()?)? {
                Whole::Int(number) => usize::try_from(number).map_err(|_| Why::Literal("the number of a value")),
                _ => Err(Why::Literal("the number of a value")),
            },
            b'q' => self.input.byte().map(usize::from),
            _ => self.input.length4(),
        }
    }

    /// Pushes a value that was remembered.
    fn recall(&mut self, number: usize) -> Result<(), Why> {
        let value = self.memo.get(number).copied().flatten().ok_or(Why::Memo(number))?;
        self.push(value)
    }

    /// Remembers the value on top.
    fn remember(&mut self, number: usize) -> Result<(), Why> {
        let value = self.top()?;
        // every writer counts from 0 or 1, so a number is never above the count of bytes before it
        if number >= self.limits.memo || number > self.input.at() {
            return Err(Why::Limit { what: "remembered values", limit: self.limits.memo.min(self.input.at()) });
        }
        if self.memo.len() <= number {
            self.memo.resize(number + 1, None);
        }
        self.memo[number] = Some(value);
        Ok(())
    }

    /// Takes the values above a place of the stack into the list or set below them.
    fn extend(&mut self, from: usize) -> Result<(), Why> {
        let floor = self.floor();
        let (below, values) = self.stack.split_at_checked(from).ok_or(EMPTY)?;
        match holder(&mut self.nodes, below.get(floor..))? {
            Node::List(list) | Node::Set(list) => list.extend_from_slice(values),
            Node::Object(object) => object.elements.extend_from_slice(values),
            _ => return Err(Why::Shape("values for something that is no list or set")),
        }
        self.stack.truncate(from);
        Ok(())
    }

    /// Takes the pairs above a place of the stack into the dictionary below them.
    fn set(&mut self, from: usize) -> Result<(), Why> {
        let floor = self.floor();
        let (below, values) = self.stack.split_at_checked(from).ok_or(EMPTY)?;
        let (few, pairs) = (self.kept.of(&self.nodes, values), pairs(values)?);
        match holder(&mut self.nodes, below.get(floor..))? {
            Node::Dict(dict) => dict.extend_from_slice(few.unwrap_or(pairs)),
            Node::Object(object) => object.items.extend_from_slice(pairs),
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
    fn pop_many<const N: usize>(&mut self) -> Result<[Value; N], Why> {
        let from = self.place_of_last(N)?;
        let values = self.stack[from..].try_into().map_err(|_| EMPTY)?;
        self.stack.truncate(from);
        Ok(values)
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

/// What lies on top, which is to hold what came above it.
fn holder<'n, 'a>(nodes: &'n mut [Node<'a>], below: Option<&[Value]>) -> Result<&'n mut Node<'a>, Why> {
    match below.and_then(<[Value]>::last).ok_or(EMPTY)? {
        Value::Node(holder) => nodes.get_mut(holder.place()).ok_or(EMPTY),
        _ => Err(Why::Shape("a number cannot hold anything")),
    }
}

fn pairs(values: &[Value]) -> Result<&[Pair], Why> {
    let (pairs, []) = values.as_chunks() else { return Err(Why::Shape("a key without a value")) };
    Ok(pairs)
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
