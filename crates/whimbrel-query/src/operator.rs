use crate::filter::Test;
use std::fmt;

macro_rules! operators {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)*) => {
        /// A comparison, as a filter writes it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operator {
            $($(#[$doc])* $variant,)*
        }

        impl Operator {
            /// Every operator, in the order of the documents.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the operator as it stands in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl Test {
            pub(crate) const fn operator(&self) -> Operator {
                match self {
                    $(Self::$variant(_) => Operator::$variant,)*
                }
            }
        }
    };
}

operators! {
    /// Is this value.
    Eq = "$eq";
    /// Is not this value.
    Ne = "$ne";
    /// Is greater.
    Gt = "$gt";
    /// Is greater or equal.
    Gte = "$gte";
    /// Is less.
    Lt = "$lt";
    /// Is less or equal.
    Lte = "$lte";
    /// Is one of these values, or a list that has one.
    In = "$in";
    /// Is not.
    Nin = "$nin";
    /// Is there.
    Exists = "$exists";
    /// Is a list that has this value.
    Contains = "$contains";
    /// Is text that has these words, the last one perhaps only begun.
    Autocomplete = "$autocomplete";
    /// Is text that has all of these words.
    Q = "$q";
}

impl Operator {
    pub(crate) fn of(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|operator| operator.as_str() == text)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Lists operators as a sentence does.
pub(crate) fn list(operators: &[Operator]) -> String {
    let names: Vec<&str> = operators.iter().map(|operator| operator.as_str()).collect();
    names.join(" ")
}
