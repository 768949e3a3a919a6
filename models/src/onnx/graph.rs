//! What a file may hold. The library that computes it takes far more: what reads other files, what loops, and what asks for as much memory as a
//! number in the file says, which ends the process if there isn't as much. So only what small networks are made of is let through to it:
//! few operators, none of which makes anything wider than what goes in, over weights that are small and there.

use std::collections::HashSet;

use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto, tensor_shape_proto::dimension,
    type_proto,
};

use super::tensor;

/// The versions of the operators that the library is tested with.
const OPERATOR_SETS: std::ops::RangeInclusive<i64> = 9..=18;
/// Those that may be used. Each gives one value, as wide as the widest that it is given or as a matrix of weights.
const OPERATORS: [&str; 18] = [
    "Add",
    "Div",
    "Elu",
    "Erf",
    "Exp",
    "Gemm",
    "Identity",
    "LeakyRelu",
    "Log",
    "MatMul",
    "Mul",
    "Neg",
    "Relu",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Sub",
    "Tanh",
];
/// How many of them there may be.
const MOST_NODES: usize = 64;

/// The graph of a model, if it is a small network that takes a row of `width` numbers: stripped of what nobody needs to compute this
/// output.
pub(super) fn checked(mut model: ModelProto, output: &str, width: usize) -> Result<ModelProto, String> {
    check_operator_set(&model)?;
    if !model.functions.is_empty() || !model.training_info.is_empty() {
        return Err("has functions or a way to train it, and only a graph is taken".to_owned());
    }
    let graph = model.graph.as_mut().ok_or("has no graph")?;
    let input = row(graph, width)?;
    check_weights(graph)?;
    check_nodes(graph, &input)?;
    keep_output(graph, output)?;
    // What it claims of values on the way is found anew.
    graph.value_info.clear();
    graph.quantization_annotation.clear();
    Ok(model)
}

fn check_operator_set(model: &ModelProto) -> Result<(), String> {
    let plain = model.opset_import.iter().filter(|set| is_plain(&set.domain));
    match plain.map(|set| set.version).collect::<Vec<_>>().as_slice() {
        [version] if OPERATOR_SETS.contains(version) => Ok(()),
        _ => Err(format!(
            "must import the plain operators once, of a version from {} to {}",
            OPERATOR_SETS.start(),
            OPERATOR_SETS.end()
        )),
    }
}

/// Whether operators of this domain are those that ONNX itself defines.
fn is_plain(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// The name of the only input that isn't a weight.
fn row(graph: &GraphProto, width: usize) -> Result<String, String> {
    let weights: HashSet<&str> = graph.initializer.iter().map(|weights| weights.name.as_str()).collect();
    let mut inputs = graph.input.iter().filter(|input| !weights.contains(input.name.as_str()));
    let (Some(input), None) = (inputs.next(), inputs.next()) else {
        return Err("must have one input".to_owned());
    };
    let expected = || format!("the input {} must be a row of {width} numbers, float", input.name);
    let dims = shape(input).ok_or_else(expected)?;
    // The first may have a name, or be left open: one row is computed at a time.
    let fits =
        matches!(dims.as_slice(), [None | Some(1), Some(found)] if usize::try_from(*found) == Ok(width));
    if fits { Ok(input.name.clone()) } else { Err(expected()) }
}

/// The dimensions of a value of floats, where they are fixed.
fn shape(value: &ValueInfoProto) -> Option<Vec<Option<i64>>> {
    let type_proto::Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
    let dims = tensor.shape.as_ref()?.dim.iter().map(|dim| match dim.value {
        Some(dimension::Value::DimValue(value)) => Some(value),
        _ => None,
    });
    tensor::is_float(tensor.elem_type).then(|| dims.collect())
}

fn check_weights(graph: &GraphProto) -> Result<(), String> {
    if !graph.sparse_initializer.is_empty() {
        return Err("has sparse weights".to_owned());
    }
    let mut names = HashSet::new();
    for weights in &graph.initializer {
        tensor::check(weights).map_err(|rule| format!("the weights {}: {rule}", weights.name))?;
        if weights.name.is_empty() || !names.insert(weights.name.as_str()) {
            return Err("has weights without a name of their own".to_owned());
        }
    }
    Ok(())
}

/// Each node computes something new of the row, of what is there before it.
fn check_nodes(graph: &GraphProto, row: &str) -> Result<(), String> {
    if graph.node.is_empty() || graph.node.len() > MOST_NODES {
        return Err(format!("has {} operators, and 1 to {MOST_NODES} are taken", graph.node.len()));
    }
    let mut known: HashSet<&str> = graph.initializer.iter().map(|weights| weights.name.as_str()).collect();
    let mut of_row = HashSet::from([row]);
    for (place, node) in graph.node.iter().enumerate() {
        let fault = |rule: String| format!("operator {place} ({}): {rule}", node.op_type);
        check_node(node).map_err(fault)?;
        if let Some(unknown) =
            node.input.iter().find(|name| !known.contains(name.as_str()) && !of_row.contains(name.as_str()))
        {
            return Err(fault(format!("takes {unknown}, and nothing before it gives that")));
        }
        if !node.input.iter().any(|name| of_row.contains(name.as_str())) {
            return Err(fault("computes nothing of the row".to_owned()));
        }
        let [output] = node.output.as_slice() else { return Err(fault("must give one value".to_owned())) };
        if output.is_empty() || known.contains(output.as_str()) || !of_row.insert(output) {
            return Err(fault("must give a value with a name of its own".to_owned()));
        }
        known.insert(output);
    }
    Ok(())
}

fn check_node(node: &NodeProto) -> Result<(), String> {
    if !is_plain(&node.domain) || !OPERATORS.contains(&node.op_type.as_str()) {
        return Err(format!("isn't taken; there are {}", OPERATORS.join(", ")));
    }
    match node.attribute.iter().find(|attribute| !is_number(attribute)) {
        Some(attribute) => Err(format!("{} must be a number", attribute.name)),
        None => Ok(()),
    }
}

/// Whether an attribute holds neither weights nor a graph of its own.
fn is_number(attribute: &AttributeProto) -> bool {
    let AttributeProto {
        s, t, g, sparse_tensor, floats, ints, strings, tensors, graphs, sparse_tensors, ..
    } = attribute;
    let one = t.is_none() && g.is_none() && sparse_tensor.is_none() && s.is_empty();
    let many = [floats.len(), ints.len(), strings.len(), tensors.len(), graphs.len(), sparse_tensors.len()];
    one && many.iter().all(|count| *count == 0) && attribute.ref_attr_name.is_empty()
}

/// Leaves nothing but the output that the card names.
fn keep_output(graph: &mut GraphProto, name: &str) -> Result<(), String> {
    let computed = graph.node.iter().any(|node| node.output.iter().any(|output| output == name));
    let there: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
    if !computed || there.iter().filter(|output| **output == name).count() != 1 {
        return Err(format!("has no output {name}; there are {}", there.join(", ")));
    }
    graph.output.retain(|output| output.name == name);
    // Its shape is found anew.
    graph.output.iter_mut().for_each(|output| output.r#type = None);
    Ok(())
}
