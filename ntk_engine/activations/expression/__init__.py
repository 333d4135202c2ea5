"""Activations that a user writes: σ(z) as an expression in z. It is read here and never executed as code.

    expression = product, { ( "+" | "-" ), product } ;
    product    = signed, { ( "*" | "/" ), signed } ;
    signed     = ( "-" | "+" ), signed | power ;                      (* -z^2 is -(z^2) *)
    power      = operand, [ ( "^" | "**" ), exponent ] ;
    exponent   = [ "-" | "+" ], whole number up to 20 | "(", exponent, ")" ;
    operand    = number | "z" | "pi" | "e" | "(", expression, ")"
               | one, "(", expression, ")"
               | two, "(", expression, ",", expression, ")"
               | "clip", "(", expression, ",", expression, ",", expression, ")"
               | "where", "(", comparison, ",", expression, ",", expression, ")" ;
    comparison = expression, ( "<" | "<=" | ">" | ">=" ), expression ;
    one        = "exp" | "expm1" | "log" | "log1p" | "sqrt" | "sin" | "cos" | "sinh" | "cosh" | "tanh" | "atan"
               | "erf" | "erfc" | "Phi" | "phi" | "sigmoid" | "softplus" | "relu" | "abs" | "sign" | "step" ;
    two        = "max" | "min" ;
    number     = digits, [ ".", [ digits ] ], [ power of ten ] | ".", digits, [ power of ten ] ;
    power of ten = ( "e" | "E" ), [ "-" | "+" ], digits ;

Phi and phi are the distribution function and the density of N(0, 1), sigmoid(u) = 1/(1 + e^{-u}), softplus(u) =
log(1 + e^u), step(u) = 1 where u > 0 and else 0, sign(0) = 0, clip(u, low, high) = min(max(u, low), high), and
where(u < v, a, b) is a where u < v and b elsewhere; only the one that is taken has to make sense there. There are at
most 500 characters, 200 numbers, variables, operators and functions, and 50 of them within one another.
"""

from ntk_engine.activations.expression.activation import Expression

__all__ = ["Expression"]
