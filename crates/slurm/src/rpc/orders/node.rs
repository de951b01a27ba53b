//! Changes of nodes.

use super::{Unsendable, newer, nothing_else};
use crate::objects::NodeUpdate;
use crate::rpc::Protocol;
use crate::rpc::codec::{NO_VAL, Text};
use crate::rpc::records::NodeChange;
use crate::table::Num;

/// States that may be set, alone: base states, and flags that stand for what is to happen.
const STATES: [(&str, u32); 5] =
    [("DOWN", 1), ("RESUME", 1 << 8), ("DRAIN", 1 << 9), ("UNDRAIN", 1 << 6), ("FAIL", 1 << 13)];

/// Lists as the wire has them: with commas between.
#[derive(Debug, Default)]
pub(in crate::rpc) struct Joined {
    names: String,
    features: Option<String>,
    active_features: Option<String>,
}

impl Joined {
    /// Those of a change of these nodes.
    pub(in crate::rpc) fn of(names: &[String], update: &NodeUpdate) -> Self {
        let join = |texts: &Option<Vec<String>>| texts.as_ref().map(|texts| texts.join(","));
        Self {
            names: update.name.as_deref().unwrap_or(names).join(","),
            features: join(&update.features),
            active_features: join(&update.features_act),
        }
    }
}

/// Nodes that are to be added: a line as in `slurm.conf`.
pub(in crate::rpc) fn added(line: &str) -> Result<NodeChange<'_>, Unsendable> {
    let (key, names) = line.trim_start().split_once('=').unwrap_or_default();
    if !key.eq_ignore_ascii_case("NodeName") || names.is_empty() || line.contains(char::is_control) {
        return Err(Unsendable::Value { field: "node_conf", value: line.to_owned() });
    }
    Ok(NodeChange { extra: Text::of(line), ..NodeChange::unset() })
}

/// What is to change, in the wire's terms.
pub(in crate::rpc) fn change<'a>(
    protocol: Protocol,
    update: &'a NodeUpdate,
    joined: &'a Joined,
) -> Result<NodeChange<'a>, Unsendable> {
    let mut rest = update.clone();
    let mut order = NodeChange::unset();
    let text = |text: Option<&'a String>| text.map_or(Text::NONE, |text| Text::of(text));
    (rest.name, rest.features, rest.features_act) = (None, None, None);
    order.names = Text::of(&joined.names);
    order.features = text(joined.features.as_ref());
    order.active_features = text(joined.active_features.as_ref());
    (rest.comment, rest.extra, rest.gres, rest.reason) = (None, None, None, None);
    // who gave the reason is who asks: slurmrestd reads this and sends nothing of it
    rest.reason_uid = None;
    order.comment = text(update.comment.as_ref());
    order.extra = text(update.extra.as_ref());
    order.gres = text(update.gres.as_ref());
    order.reason = text(update.reason.as_ref());
    rest.topology_str = None;
    order.topology = text(newer(protocol, Protocol::V25_11, "topology_str", update.topology_str.as_ref())?);
    for (field, given, to) in [
        ("resume_after", rest.resume_after.take(), &mut order.resume_after),
        ("weight", rest.weight.take(), &mut order.weight),
    ] {
        match given {
            None | Some(Num::Unset) => {}
            Some(Num::Set(number)) if number < NO_VAL => *to = number,
            Some(other) => return Err(Unsendable::Value { field, value: format!("{other:?}") }),
        }
    }
    if let Some(states) = rest.state.take() {
        let words: Vec<&str> = states.iter().collect();
        let known = |word: &str| STATES.iter().find(|(name, _)| *name == word).map(|(_, state)| *state);
        order.state = match words[..] {
            [] => NO_VAL,
            [word] if known(word).is_some() => known(word).unwrap_or(NO_VAL),
            _ => return Err(Unsendable::Value { field: "state", value: words.join(",") }),
        };
    }
    nothing_else(&rest)?;
    Ok(order)
}
