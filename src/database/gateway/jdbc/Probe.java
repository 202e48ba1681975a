import java.io.StringReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.postgresql.PGConnection;

/** What a Java service does with a database, one line printed for each. Run with `java -cp postgresql.jar Probe.java URL`. */
public class Probe {
  public static void main(String[] args) throws Exception {
    try (Connection connection = DriverManager.getConnection(args[0])) {
      try (Statement statement = connection.createStatement()) {
        statement.execute("drop table if exists probe; create table probe (id int primary key, text text)");
      }
      connection.setAutoCommit(false);
      try (PreparedStatement insert = connection.prepareStatement("insert into probe values (?, ?)")) {
        for (int id = 0; id < 1000; id++) {
          insert.setInt(1, id);
          insert.setString(2, "text " + id);
          insert.addBatch();
        }
        System.out.println("batch " + insert.executeBatch().length);
      }
      connection.commit();
      try (PreparedStatement select = connection.prepareStatement("select n from generate_series(1, 5000) n")) {
        select.setFetchSize(70);
        int rows = 0;
        try (ResultSet result = select.executeQuery()) {
          while (result.next()) rows++;
        }
        System.out.println("cursor " + rows);
      }
      connection.commit();
      long copied = connection.unwrap(PGConnection.class).getCopyAPI()
          .copyIn("copy probe from stdin", new StringReader("2000\ta\n2001\tb\n2002\tc\n"));
      System.out.println("copy " + copied);
      connection.commit();
      try (Statement sleep = connection.createStatement()) {
        sleep.setQueryTimeout(1);
        sleep.execute("select pg_sleep(20)");
        System.out.println("not cancelled");
      } catch (SQLException error) {
        System.out.println("cancel " + error.getSQLState());
      }
      connection.rollback();
      try (Statement statement = connection.createStatement()) {
        statement.execute("delete from probe");
        connection.rollback();
        ResultSet result = statement.executeQuery("select 1003 - count(*) from probe");
        result.next();
        System.out.println("rollback " + result.getInt(1));
      }
      connection.commit();
    }
  }
}
