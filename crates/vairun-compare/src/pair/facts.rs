use vairun_exec::{NodeEvent, Observer, ObserverError};
use vairun_graph::{Graph, ValueId};
use vairun_tensor::{Tensor, Value};

use super::sites::{Skeleton, int, int_of};
use crate::measure::lanes;

/// What a run tells of a site.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The codes, less their zero point.
    pub codes: Tensor,
    /// One step.
    pub step: f64,
}

/// Gathers the codes of every site of a run.
pub struct Watch<'a> {
    skeleton: &'a Skeleton,
    facts: Vec<Option<Facts>>,
}

impl<'a> Watch<'a> {
    /// Of the sites of `skeleton`, which is that of `graph`.
    pub fn new(graph: &Graph, skeleton: &'a Skeleton) -> Self {
        let mut facts = vec![None; skeleton.sites.len()];
        for (i, site) in skeleton.sites.iter().enumerate() {
            if let (None, Some(codes)) = (site.node, graph.initializers.get(&site.value)) {
                facts[i] =
                    stored(graph, site.value).map(|step| Facts { codes: codes.clone(), step });
            }
        }
        Self { skeleton, facts }
    }

    /// What was gathered; `None` for a site that has no codes of one step.
    pub fn finish(self) -> Vec<Option<Facts>> {
        self.facts
    }
}

/// The step of a parameter that is stored as codes: its readers know it.
fn stored(graph: &Graph, id: ValueId) -> Option<f64> {
    let reader = graph.nodes.iter().find(|node| node.inputs.contains(&Some(id)))?;
    let place = reader.inputs.iter().position(|&input| input == Some(id))?;
    let fix_point = int_of(reader, "input_fix_points", place)?;
    Some((-fix_point as f64).exp2())
}

impl Observer for Watch<'_> {
    fn node(&mut self, event: &NodeEvent) -> Result<(), ObserverError> {
        if !event.scope.is_empty() {
            return Ok(());
        }
        for (id, (_, value)) in event.node.writes().zip(event.outputs) {
            let Value::Tensor(tensor) = value else { continue };
            let Some(site) = self.skeleton.site_of(id) else { continue };
            if self.facts[site].is_none() {
                self.facts[site] = facts(event, tensor);
            }
        }
        Ok(())
    }
}

/// The codes and the step of a site; `None` where they are not of one step.
fn facts(event: &NodeEvent, tensor: &Tensor) -> Option<Facts> {
    if event.node.op.domain == "xir" {
        let fix_point = int(event.node, "output_fix_point")?;
        return Some(Facts { codes: tensor.clone(), step: (-fix_point as f64).exp2() });
    }
    let origin = tensor.dequantized()?;
    let &[step] = origin.scale.as_slice::<f32>().ok()? else { return None };
    let zero_points = lanes::to_f64(&origin.zero_point)?;
    let codes = tensor.codes()?;
    let codes = match zero_points.iter().all(|&zero| zero == 0.0) {
        true => codes.clone(),
        false => {
            let zero = zero_points[0];
            let centred = lanes::to_f64(codes)?.into_iter().map(|code| (code - zero) as i32);
            Tensor::new(codes.shape(), centred.collect()).ok()?
        }
    };
    Some(Facts { codes, step: f64::from(step) })
}
