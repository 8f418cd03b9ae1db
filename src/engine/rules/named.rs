//! What an object is called: its domain, and its name there.

use crate::model::kind::Domain;

/// Writes what it is called.
pub(super) fn name_in(domain: Domain, of: &str, name: &mut String) {
    name.clear();
    name.push_str(domain.as_str());
    name.push('/');
    name.push_str(of);
}

/// Whether it is called so, without writing that.
pub(super) fn is_named(name: &str, domain: Domain, of: &[u8]) -> bool {
    let (name, domain) = (name.as_bytes(), domain.as_str().as_bytes());
    name.split_at_checked(domain.len()).is_some_and(|(before, after)| {
        after.split_first().is_some_and(|(&slash, after)| slash == b'/' && after == of) && before == domain
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_named_as_it_is_called(
            domain in 0..Domain::ALL.len(), other in 0..Domain::ALL.len(), of in "[a-z/é]{0,4}", called in "[a-z/é]{0,9}",
        ) {
            let (domain, other) = (Domain::ALL[domain], Domain::ALL[other]);
            let mut name = String::new();
            name_in(domain, &of, &mut name);
            prop_assert!(is_named(&name, domain, of.as_bytes()));
            prop_assert_eq!(is_named(&name, other, of.as_bytes()), domain == other);
            prop_assert_eq!(is_named(&called, domain, of.as_bytes()), called == name);
        }
    }
}
