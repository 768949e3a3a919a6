//! A network, ready to be computed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ecs_domain::model::opaque::Compute;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::{
    DatumExt as _, DatumType, Framework as _, InferenceModelExt as _, IntoRunnable as _, OutletId, Tensor,
    TractResult, TypedModel, TypedRunnableModel, tvec,
};

use super::Output;
use super::graph;
use super::tensor::MOST_WIDTH;

/// A network that was checked, for one row at a time.
pub(super) struct Network {
    plan: Arc<TypedRunnableModel>,
    /// Which value of the output is the probability.
    column: usize,
}

impl Network {
    /// Reads a file, or says what is wrong with it.
    pub(super) fn read(bytes: &[u8], output: &Output, width: usize) -> Result<Self, String> {
        let model = guarded(|| tract_onnx::onnx().proto_model_for_read(&mut &*bytes))?;
        let model = graph::checked(model, &output.name, width)?;
        let typed = guarded(|| typed(&model, width))?;
        check_sizes(&typed)?;
        check_output(&typed, output)?;
        let plan = guarded(|| with_steps(typed)?.into_optimized()?.into_runnable())?;
        Ok(Self { plan, column: output.column })
    }

    fn probability(&self, values: &[f64]) -> TractResult<f64> {
        let shape = [1, values.len()];
        let row = Tensor::from_shape(&shape, &singles(values))?;
        let mut probability = None;
        for said in &self.plan.run(tvec!(row.into()))? {
            let step = said.cast_to::<f64>()?;
            let step = step.to_plain_array_view::<f64>()?;
            // A sigmoid makes a probability of what is no number.
            if !step.iter().all(|value| value.is_finite()) {
                return Ok(f64::NAN);
            }
            probability = probability.or_else(|| step.iter().nth(self.column).copied());
        }
        Ok(probability.unwrap_or(f64::NAN))
    }
}

impl Compute for Network {
    fn log_odds(&self, values: &[f64]) -> Option<f64> {
        let probability = guarded(|| self.probability(values)).ok()?;
        let log_odds = (probability / (1.0 - probability)).ln();
        (0.0..=1.0).contains(&probability).then_some(log_odds)
    }
}

/// What comes of the library. Where it meets what nobody thought of it panics, and here that is one more fault.
fn guarded<T>(compute: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(compute)) {
        Ok(result) => result.map_err(|error| format!("the library refuses it: {error:#}")),
        Err(_) => Err("the library gave up on it".to_owned()),
    }
}

/// The network with the shape of every value in it.
fn typed(model: &ModelProto, width: usize) -> TractResult<TypedModel> {
    let row = f32::fact([1, width]);
    let parsed = tract_onnx::onnx().parse(model, None)?.model;
    parsed.with_input_fact(0, row.into())?.into_typed()
}

/// With everything that is computed on the way to the output among the outputs, behind it.
fn with_steps(model: TypedModel) -> TractResult<TypedModel> {
    let mut outputs = model.output_outlets()?.to_vec();
    for node in &model.nodes {
        for (slot, output) in node.outputs.iter().enumerate() {
            let outlet = OutletId::new(node.id, slot);
            if output.fact.konst.is_none() && !outputs.contains(&outlet) {
                outputs.push(outlet);
            }
        }
    }
    model.with_output_outlets(&outputs)
}

/// Whatever depends on the row is a row, too. So nothing takes long, however it is put together.
fn check_sizes(model: &TypedModel) -> Result<(), String> {
    for node in &model.nodes {
        for fact in node.outputs.iter().map(|output| &output.fact).filter(|fact| fact.konst.is_none()) {
            let size = fact.shape.as_concrete().map(|dims| dims.iter().product::<usize>());
            if size.is_none_or(|size| i64::try_from(size).is_ok_and(|size| size > MOST_WIDTH)) {
                return Err(format!("{}: must be one row of at most {MOST_WIDTH} numbers", node.name));
            }
        }
    }
    Ok(())
}

fn check_output(model: &TypedModel, output: &Output) -> Result<(), String> {
    let fact = model.output_fact(0).map_err(|error| error.to_string())?;
    let size: usize = fact.shape.as_concrete().map(|dims| dims.iter().product()).unwrap_or_default();
    if fact.datum_type == DatumType::F32 && output.column < size {
        return Ok(());
    }
    Err(format!("the output {} has no number in column {}: it has {size}", output.name, output.column))
}

#[expect(clippy::cast_possible_truncation, reason = "the network was trained with numbers of this size")]
fn singles(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}
