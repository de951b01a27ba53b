//! Records: fields in the order in which they are packed.

/// Turns a table of fields into a record. A row is `name: Kind;`, with `=> since(V25_11)` or `=> before(V25_11)` where not all
/// versions have the field; its value is the kind's default then. A record that has texts is `Name<'a>`.
macro_rules! layout {
    ($($(#[$meta:meta])* $name:ident $(<$life:lifetime>)? {
        $($field:ident : $kind:ty $(=> $how:ident($version:ident))?;)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub(in crate::rpc) struct $name $(<$life>)? {
            $(pub(in crate::rpc) $field: $kind,)*
        }

        impl<'a> $crate::rpc::codec::Wire<'a> for $name $(<$life>)? {
            const LEAST: usize = 0 $(+ $crate::rpc::codec::layout!(@least $kind $(, $version)?))*;

            fn read(from: &mut $crate::rpc::codec::Reader<'a>) -> Result<Self, $crate::rpc::codec::Malformed> {
                Ok(Self {
                    $($field: if $crate::rpc::codec::layout!(@has from $(, $how, $version)?) {
                        $crate::rpc::codec::Wire::read(from)?
                    } else {
                        Default::default()
                    },)*
                })
            }

            fn write(&self, to: &mut $crate::rpc::codec::Writer) {
                $(if $crate::rpc::codec::layout!(@has to $(, $how, $version)?) {
                    $crate::rpc::codec::Wire::write(&self.$field, to);
                })*
            }
        }
    )*};
    (@least $kind:ty) => { <$kind as $crate::rpc::codec::Wire<'a>>::LEAST };
    (@least $kind:ty, $version:ident) => { 0 };
    (@has $buffer:ident) => { true };
    (@has $buffer:ident, since, $version:ident) => { $buffer.protocol() >= $crate::rpc::Protocol::$version };
    (@has $buffer:ident, before, $version:ident) => { $buffer.protocol() < $crate::rpc::Protocol::$version };
}
pub(in crate::rpc) use layout;
