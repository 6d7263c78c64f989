// SPDX-License-Identifier: GPL-2.0

//! The attribute `pin_data` for the host, where nothing has to be pinned: takes the `#[pin]` off the fields.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Leaves the item as it is, without `#[pin]`.
#[proc_macro_attribute]
pub fn pin_data(_: TokenStream, item: TokenStream) -> TokenStream {
    without_pin(item)
}

fn without_pin(tokens: TokenStream) -> TokenStream {
    let mut kept: Vec<TokenTree> = Vec::new();
    for token in tokens {
        let TokenTree::Group(group) = token else {
            kept.push(token);
            continue;
        };
        let after_hash = matches!(kept.last(), Some(TokenTree::Punct(p)) if p.as_char() == '#');
        if after_hash
            && group.delimiter() == Delimiter::Bracket
            && group.stream().to_string() == "pin"
        {
            kept.pop();
            continue;
        }
        let mut inner = Group::new(group.delimiter(), without_pin(group.stream()));
        inner.set_span(group.span());
        kept.push(TokenTree::Group(inner));
    }
    kept.into_iter().collect()
}
