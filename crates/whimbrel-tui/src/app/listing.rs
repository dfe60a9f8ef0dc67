//! Which channels are listed, and in what order: what is typed after `/`, as a query.

use whimbrel::{
    Filter, Sort, field,
    model::ConsentState,
    query::{Endpoint, QueryError},
};

/// Words that may stand before a colon, for the help and for errors.
pub(crate) const KEYS: &str =
    "archived hidden pinned muted unread all: true or false; member type consent: a word";

/// Returns the order of every list: what is pinned first, then the newest message.
pub(crate) fn order() -> Sort {
    Sort::by_descending("pinned_at").then_descending("last_message_at")
}

/// Reads what was typed: words that a name completes, `key:value` beside them, or a whole filter in JSON.
///
/// What says nothing of the archive, of hidden channels, or of consent, leaves out what is archived, hidden, or not allowed;
/// `all:true` does not.
pub(crate) fn filter(text: &str) -> Result<Filter, String> {
    let text = text.trim();
    if text.starts_with('{') {
        let json = serde_json::from_str(text).map_err(|error| format!("not JSON yet: {error}"))?;
        return Filter::from_json_for(&Endpoint::CHANNELS, &json)
            .map_err(|error: QueryError| error.to_string());
    }
    let (mut parts, mut name, mut all) = (Vec::new(), Vec::new(), false);
    for word in text.split_whitespace() {
        match word.split_once(':') {
            None => name.push(word),
            Some(("all", value)) => all = yes_or_no("all", value)?,
            Some((key, value)) => parts.push(part(key, value)?),
        }
    }
    if !name.is_empty() {
        parts.push(field("name").autocomplete(name.join(" ")));
    }
    let said = Filter::and(parts.clone());
    let usual = [
        field("archived").eq(false),
        field("hidden").eq(false),
        // What nothing was decided of is in the list of requests.
        field("consent").eq(ConsentState::Allowed.as_str()),
    ];
    let keys = ["archived", "hidden", "consent"];
    let usual = keys.into_iter().zip(usual);
    parts.extend(
        usual
            .filter(|(key, _)| !all && !said.uses(key))
            .map(|(_, part)| part),
    );
    let filter = Filter::and(parts);
    match filter.validate(&Endpoint::CHANNELS) {
        Ok(()) => Ok(filter),
        Err(error) => Err(error.to_string()),
    }
}

fn part(key: &str, value: &str) -> Result<Filter, String> {
    Ok(match key {
        "archived" | "hidden" | "pinned" => field(key).eq(yes_or_no(key, value)?),
        "unread" => field("has_unread").eq(yes_or_no(key, value)?),
        "muted" => field("muted_until").exists(yes_or_no(key, value)?),
        "consent" if ["unknown", "allowed", "denied"].contains(&value) => field("consent").eq(value),
        "consent" => return Err("consent: takes unknown, allowed or denied".to_owned()),
        "member" if !value.is_empty() => field("members").contains(value),
        "type" if !value.is_empty() => field("type").eq(value),
        "member" | "type" => return Err(format!("{key}: takes a word")),
        _ => return Err(format!("there is no {key}: but {KEYS}")),
    })
}

fn yes_or_no(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{key}: takes true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> serde_json::Value {
        filter(text).unwrap().to_json()
    }

    #[test]
    fn the_usual_list_leaves_out_what_is_archived_or_hidden() {
        assert_eq!(json(""), json("archived:false hidden:false consent:allowed"));
        assert_eq!(json("all:true"), serde_json::json!({}));
        assert!(
            !filter("archived:true")
                .unwrap()
                .requires("archived", &false.into())
        );
        assert!(filter("archived:true").unwrap().requires("hidden", &false.into()));
    }

    #[test]
    fn words_and_keys_stand_beside_each_other() {
        let both = json("blue pinned:true whale member:bob all:true");
        let same = Filter::and([
            field("pinned").eq(true),
            field("members").contains("bob"),
            field("name").autocomplete("blue whale"),
        ]);
        assert_eq!(both, same.to_json());
        let written = r#"{"custom.team": "red"}"#;
        assert_eq!(json(written), field("custom.team").eq("red").to_json());
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (text, why) in [
            ("archived:", "true or false"),
            ("archived:tr", "true or false"),
            ("colour:red", "no colour"),
            ("member:", "takes a word"),
            ("consent:maybe", "unknown, allowed or denied"),
            ("{\"nam", "not JSON"),
            ("{\"colour\": 1}", "no field"),
        ] {
            let error = filter(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
