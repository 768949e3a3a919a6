//! Weights: small, and in the file itself.

use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};

/// How wide a layer may be.
pub(super) const MOST_WIDTH: i64 = 256;

/// A kind of numbers that is computed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Float {
    /// `float`, of 4 bytes.
    Single,
    /// `double`, of 8.
    Double,
}

impl Float {
    /// By its number in the file.
    pub(super) fn of(kind: i32) -> Option<Self> {
        let known = [(DataType::Float, Self::Single), (DataType::Double, Self::Double)];
        known.into_iter().find(|(number, _)| *number as i32 == kind).map(|(_, float)| float)
    }
}

/// Refuses what is no scalar, vector or matrix of numbers, each of them there.
pub(super) fn check(tensor: &TensorProto) -> Result<(), String> {
    let float = Float::of(tensor.data_type).ok_or("must be float or double")?;
    if tensor.dims.len() > 2 || tensor.dims.iter().any(|dim| !(1..=MOST_WIDTH).contains(dim)) {
        return Err(format!("must have at most two dimensions, each from 1 to {MOST_WIDTH}"));
    }
    let elsewhere = tensor.data_location.is_some_and(|location| location != DataLocation::Default as i32);
    if elsewhere || !tensor.external_data.is_empty() || tensor.segment.is_some() {
        return Err("must be in the file itself".to_owned());
    }
    let count = usize::try_from(tensor.dims.iter().product::<i64>()).unwrap_or(usize::MAX);
    let (size, listed) = match float {
        Float::Single => (4, tensor.float_data.len()),
        Float::Double => (8, tensor.double_data.len()),
    };
    let found = if tensor.raw_data.is_empty() { listed } else { tensor.raw_data.len() / size };
    let whole = tensor.raw_data.len().is_multiple_of(size);
    if found == count && whole { Ok(()) } else { Err(format!("must be {count} numbers")) }
}
