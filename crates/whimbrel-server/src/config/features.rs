//! What channels of a type do not have.

use whimbrel_hub::Rules;
use whimbrel_model::ChannelId;

/// Reads a list like `livestream:typing,livestream:read_receipts`.
pub(super) fn rules(text: &str) -> Result<Rules, String> {
    let mut rules = Rules::default();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (of, feature) = part.split_once(':').ok_or_else(|| problem(part))?;
        // A type is what a channel's id can begin with.
        ChannelId::new(format!("{of}:x")).map_err(|_| problem(part))?;
        let features = rules.channel_types.entry(of.to_owned()).or_default();
        match feature {
            "typing" => features.typing = false,
            "read_receipts" => features.read_receipts = false,
            "delivery_receipts" => features.delivery_receipts = false,
            _ => return Err(problem(part)),
        }
    }
    Ok(rules)
}

fn problem(part: &str) -> String {
    format!(
        "must hold pairs of a channel type and one of typing, read_receipts and delivery_receipts, for example \
         livestream:typing; got {part:?}"
    )
}
