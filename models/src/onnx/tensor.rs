//! Weights: small, and in the file itself.

use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};

/// How wide a layer may be.
pub(super) const MOST_WIDTH: i64 = 256;

/// How many bytes a number has.
const SIZE: usize = 4;

/// Whether this is the kind of numbers that is computed with: of others the library knows only some operators.
pub(super) fn is_float(kind: i32) -> bool {
    kind == DataType::Float as i32
}

/// Refuses what is no scalar, vector or matrix of numbers, each of them there.
pub(super) fn check(tensor: &TensorProto) -> Result<(), String> {
    if !is_float(tensor.data_type) {
        return Err("must be float".to_owned());
    }
    if tensor.dims.len() > 2 || tensor.dims.iter().any(|dim| !(1..=MOST_WIDTH).contains(dim)) {
        return Err(format!("must have at most two dimensions, each from 1 to {MOST_WIDTH}"));
    }
    let elsewhere = tensor.data_location.is_some_and(|location| location != DataLocation::Default as i32);
    if elsewhere || !tensor.external_data.is_empty() || tensor.segment.is_some() {
        return Err("must be in the file itself".to_owned());
    }
    let count = usize::try_from(tensor.dims.iter().product::<i64>()).unwrap_or(usize::MAX);
    let raw = tensor.raw_data.len();
    let found = if raw == 0 { tensor.float_data.len() } else { raw / SIZE };
    let whole = raw.is_multiple_of(SIZE);
    if found == count && whole { Ok(()) } else { Err(format!("must be {count} numbers")) }
}
