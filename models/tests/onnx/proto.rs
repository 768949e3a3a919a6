//! Writes ONNX files by hand: the few fields of its messages that tests play with, by their numbers in `onnx.proto`.

/// The kinds of numbers.
pub(crate) const FLOAT: i64 = 1;
pub(crate) const INT64: i64 = 7;
pub(crate) const DOUBLE: i64 = 11;

/// A message that is being written. Its fields may come in any order, and more than once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(crate) fn number(mut self, field: u64, value: i64) -> Self {
        self.varint(field << 3);
        self.varint(value.cast_unsigned());
        self
    }

    pub(crate) fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub(crate) fn message(self, field: u64, message: &Message) -> Self {
        self.bytes(field, &message.0)
    }
}

/// A graph: the fields of a `GraphProto`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph(pub(crate) Message);

impl Graph {
    /// Something to be computed.
    pub(crate) fn node(self, operator: &str, inputs: &[&str], output: &str) -> Self {
        self.raw_node(&node(operator, inputs, output))
    }

    pub(crate) fn raw_node(self, node: &Message) -> Self {
        Self(self.0.message(1, node))
    }

    /// Weights of 4 bytes each.
    pub(crate) fn weights(self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        self.tensor(&tensor(
            name,
            FLOAT,
            dims,
            &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>(),
        ))
    }

    pub(crate) fn tensor(self, tensor: &Message) -> Self {
        Self(self.0.message(5, tensor))
    }

    /// What goes in. A dimension below 0 has a name instead.
    pub(crate) fn input(self, name: &str, kind: i64, dims: &[i64]) -> Self {
        Self(self.0.message(11, &value(name, kind, dims)))
    }

    pub(crate) fn output(self, name: &str) -> Self {
        Self(self.0.message(12, &value(name, FLOAT, &[-1, 1])))
    }

    /// The bytes of a file with these operators.
    pub(crate) fn file(&self, operator_set: i64) -> Vec<u8> {
        let set = Message::default().text(1, "").number(2, operator_set);
        Message::default().number(1, 8).message(7, &self.0).message(8, &set).0
    }
}

pub(crate) fn node(operator: &str, inputs: &[&str], output: &str) -> Message {
    let node = inputs.iter().fold(Message::default(), |node, input| node.text(1, input));
    node.text(2, output).text(4, operator)
}

/// Weights as they are in the file.
pub(crate) fn tensor(name: &str, kind: i64, dims: &[i64], raw: &[u8]) -> Message {
    let tensor = dims.iter().fold(Message::default(), |tensor, dim| tensor.number(1, *dim));
    tensor.number(2, kind).text(8, name).bytes(9, raw)
}

fn value(name: &str, kind: i64, dims: &[i64]) -> Message {
    let dim = |dim: &i64| match *dim {
        ..0 => Message::default().text(2, "people"),
        fixed => Message::default().number(1, fixed),
    };
    let shape = dims.iter().fold(Message::default(), |shape, it| shape.message(1, &dim(it)));
    let tensor = Message::default().number(1, kind).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}
