//! What channel lists are asked for on the devices of a world.

use super::dice::Dice;
use whimbrel_query::{Endpoint, Filter, Query, Sort, field};

/// Colours of channels: what their custom data says.
pub(super) const COLORS: [&str; 4] = ["red", "green", "blue", "grey"];

/// Words of names.
pub(super) const WORDS: [&str; 12] = [
    "Rocket", "Garden", "Tea", "Ärger", "river", "Rota", "north", "Quiet", "Bread", "Lamp", "rover", "Zeit",
];

/// Draws the query of a device: the usual list, or one that says more.
pub(super) fn wanted(dice: &mut Dice, names: &[String]) -> Query {
    let usual = dice.per_mille(400);
    let who = dice.pick(names).cloned().unwrap_or_default();
    let color = COLORS[dice.index(COLORS.len())];
    let start = &WORDS[dice.index(WORDS.len())][..2];
    let many = dice.below(19) as i64 + 2;
    let kind = dice.below(14);
    let (filter, sort) = match kind {
        _ if usual => return Query::channel_list(),
        0 => (field("name").exists(true), Sort::by_ascending("name")),
        1 => (
            field("name").autocomplete(start),
            Sort::by_descending("updated_at"),
        ),
        2 => (
            field("custom.color").eq(color),
            Sort::by_descending("last_updated").then_ascending("name"),
        ),
        3 => (
            field("has_unread").eq(true),
            Sort::by_descending("unread_count").then_descending("last_message_at"),
        ),
        4 => (
            field("members").contains(who.as_str()),
            Sort::by_descending("member_count").then_descending("created_at"),
        ),
        5 => (field("member_count").gt(many), Sort::by_ascending("member_count")),
        6 => (field("role").eq("owner"), Sort::by_descending("created_at")),
        7 => (
            Filter::or([
                field("custom.level").gte(many),
                Filter::and([field("unread_count").lt(many), field("custom.color").ne(color)]),
            ]),
            Sort::by_descending("custom.level").then_ascending("last_message_at"),
        ),
        8 => (field("pinned").eq(true), Sort::by_descending("pinned_at")),
        9 => (
            Filter::and([field("hidden").eq(false), field("archived").eq(false)]),
            Sort::by_descending("pinned").then_descending("last_message_at"),
        ),
        10 => (field("archived").eq(true), Sort::by_descending("last_updated")),
        11 => (field("hidden").eq(true), Sort::by_ascending("name")),
        12 => (
            field("muted_until").exists(true),
            Sort::by_ascending("muted_until").then_descending("unread_count"),
        ),
        _ => (
            Filter::nor([field("custom.color").is_in(COLORS), field("name").q(start)]),
            Sort::by_descending("has_unread").then_ascending("custom.color"),
        ),
    };
    let joined = Filter::and([field("joined").eq(true), filter]);
    Query::new(&Endpoint::CHANNELS, joined, sort).unwrap_or_else(|_| Query::channel_list())
}
