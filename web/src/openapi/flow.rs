//! Doc comments are wrapped for editors. Pages show a line break where the source has one, so lines are joined again.

use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{Object, OneOf};
use utoipa::openapi::{RefOr, Schema};

pub(super) fn operation(operation: &mut Operation) {
    join(&mut operation.description);
    join(&mut operation.summary);
}

pub(super) fn schema(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(shape)) => object(shape),
        RefOr::T(Schema::Array(array)) => join(&mut array.description),
        RefOr::T(Schema::OneOf(one)) => either(one),
        RefOr::T(Schema::AllOf(all)) => {
            join(&mut all.description);
            all.items.iter_mut().for_each(self::schema);
        }
        RefOr::T(_) | RefOr::Ref(_) => {}
    }
}

/// A field that may be null: what it is stands at the field, not at one of the two things that it may be.
fn either(one: &mut OneOf) {
    for item in &mut one.items {
        if let RefOr::Ref(reference) = item
            && one.description.is_none()
            && !reference.description.is_empty()
        {
            one.description = Some(std::mem::take(&mut reference.description));
        }
    }
    join(&mut one.description);
}

fn object(object: &mut Object) {
    join(&mut object.description);
    object.properties.values_mut().for_each(schema);
}

pub(super) fn join(text: &mut Option<String>) {
    if let Some(text) = text {
        *text = joined(text);
    }
}

/// Paragraphs, items of lists and rows of tables stay apart.
fn joined(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    let (mut after_blank, mut in_code) = (true, false);
    for line in text.trim().lines() {
        let fence = line.starts_with("```");
        let apart = line.is_empty() || after_blank || fence || in_code || line.starts_with(['-', '|']);
        if !joined.is_empty() {
            joined.push(if apart { '\n' } else { ' ' });
        }
        joined.push_str(line.trim());
        in_code ^= fence;
        after_blank = line.is_empty() || (fence && !in_code);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wrapped_lines_are_joined() {
        let check = |input: &str, expect: &str| assert_eq!(joined(input), expect, "{input:?}");
        check("one\ntwo", "one two");
        check("one\ntwo\n\nthree\nfour", "one two\n\nthree four");
        check("one:\n\n- two\n- three", "one:\n\n- two\n- three");
        check("a | b", "a | b");
        check("the\n`key` of", "the `key` of");
        check("see:\n```\na\n```", "see:\n```\na\n```");
        check("", "");
    }
}
