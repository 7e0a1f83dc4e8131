import java.math.BigInteger;
import java.util.stream.Stream;

/** Prints a Fibonacci number, and the SHA-256 of its digits. */
public final class Main {
    private Main() {
    }

    static BigInteger fibonacci(int index) {
        return Stream.iterate(
                new BigInteger[] {BigInteger.ZERO, BigInteger.ONE},
                pair -> new BigInteger[] {pair[1], pair[0].add(pair[1])})
            .skip(index)
            .findFirst()
            .orElseThrow()[0];
    }

    public static void main(String[] arguments) throws Exception {
        int index = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 10;
        String digits = fibonacci(index).toString();
        byte[] hash = java.security.MessageDigest.getInstance("SHA-256").digest(digits.getBytes());
        System.out.println("fibonacci(" + index + ") = " + digits);
        System.out.println(new BigInteger(1, hash).toString(16));
    }
}
